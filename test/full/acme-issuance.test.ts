import { afterAll, beforeAll, expect, it } from 'vitest'
import type { LabSpec } from '../../src/lab/index.ts'
import { installCommand } from '../e2e/support/install-command.ts'
import { down, up } from '../e2e/support/lab.ts'
import { relayTo } from '../e2e/support/network/relay.ts'
import { referenceProject } from '../e2e/support/project.ts'

// An authority that refuses one nonce in five, and waits up to three seconds before each validation.
const SUBNET = '10.79.84'
const COUNT = 50
const project = referenceProject('t-issue', SUBNET)
const lab: LabSpec = {
  name: project.lab,
  root: project.root,
  hosts: [{ name: 'lb-01', user: 'ops', addresses: [`${SUBNET}.11`] }],
  faults: true,
  certificateSeconds: 30 * 86_400,
}
const PORT = 14400
const at = `.provision/lab/${project.lab}`

beforeAll(async () => {
  installCommand('faketime')
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
        acme: { directory: 'https://${SUBNET}.1:${PORT}/dir', ca_file: ${at}/authority.pem }
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

it(`${COUNT} certificates come from it in one run, all end well`, async () => {
  const relay = await relayTo(`${SUBNET}.1`, 14000, { host: `${SUBNET}.1`, port: PORT })
  const { status, stdout, stderr } = await project.provisionBeside('run').finally(relay.close)
  expect(stderr).toBe('')
  expect(status).toBe(0)
  expect(stdout.match(/create certificate \S+\.example\.test\.pem /g)).toHaveLength(COUNT)
  const verified = project.provision('verify', '--role', 'haproxy-tls')
  expect(verified.status, verified.stdout + verified.stderr).toBe(0)
  expect(project.provision('run', '--dry-run').status).toBe(0)
})

it('a silent authority delays a run only briefly: all certificates are deferred', async () => {
  const relay = await relayTo(`${SUBNET}.1`, 14000, { host: `${SUBNET}.1`, port: PORT })
  relay.silence()
  project.env.LD_PRELOAD = '/usr/$LIB/faketime/libfaketime.so.1'
  Object.assign(project.env, { FAKETIME: '+21d', FAKETIME_DONT_FAKE_MONOTONIC: '1' })
  const began = performance.now()
  const { stdout, stderr, status } = await project.provisionBeside('run').finally(relay.close)
  expect(stderr).toBe('')
  expect(status).toBe(0)
  expect(stdout.match(/was not renewed; the present one is valid until/g)).toHaveLength(COUNT)
  expect(stdout).toContain('no answer within 20 s')
  expect(performance.now() - began).toBeLessThan(120_000)
})
