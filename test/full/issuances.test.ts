import { afterAll, beforeAll, expect, it } from 'vitest'
import type { LabSpec } from '../../src/lab/index.ts'
import { down, up } from '../e2e/lab.ts'
import { changes, referenceProject } from '../e2e/project.ts'

// An authority that refuses one nonce in five, and dawdles for up to three seconds before each validation.
const SUBNET = '10.79.84'
const COUNT = 50
const project = referenceProject('t-issue', SUBNET)
const lab: LabSpec = {
  name: project.lab,
  root: project.root,
  hosts: [{ name: 'lb-01', user: 'ops', addresses: [`${SUBNET}.11`] }],
  faults: true,
}
const at = `.provision/lab/${project.lab}`

beforeAll(async () => {
  const certificates = Array.from({ length: COUNT }, (_, i) => `{ names: [www${i}.example.test, shop${i}.example.test] }`)
  project.write(
    'inventory/site.yaml',
    `vars: { user: ops, key: ${at}/id_ed25519, known_hosts: ${at}/known_hosts }
hosts: { lb-01: { address: ${SUBNET}.11 } }
groups:
  load_balancers:
    hosts: [lb-01]
    vars:
      haproxy-tls:
        certificates: [${certificates.join(', ')}]
        acme: { directory: 'https://${SUBNET}.1:14000/dir', ca_file: ${at}/authority.pem }
  web:
    hosts: [lb-01]
    vars: { nginx: { content: playbooks/site } }
`,
  )
  project.write('playbooks/site.yaml', '- { hosts: web, roles: [nginx] }\n- { hosts: load_balancers, roles: [haproxy-tls] }\n')
  await up(lab)
}, 600_000)
afterAll(async () => {
  await down(lab)
  project.remove()
})

it(`${COUNT} certificates come from it in one run, all end well`, () => {
  const { status, lines, stderr } = project.json('run')
  expect(stderr).toBe('')
  expect(status).toBe(0)
  const issued = changes(lines, 'applied').filter((line) => /certificate:.*test\.pem$/.test(line))
  expect(issued).toHaveLength(COUNT)
  const verified = project.provision('verify', '--role', 'haproxy-tls')
  expect(verified.status, verified.stdout + verified.stderr).toBe(0)
  expect(project.provision('run', '--dry-run').status).toBe(0)
})
