import { spawnSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { down, up } from './support/lab.ts'
import { referenceProject } from './support/project.ts'

const project = referenceProject('t-renew', '10.79.41')
const lab = {
  name: 't-renew',
  root: project.root,
  certificateSeconds: 24,
  hosts: ['lb-01', 'web-01'].map((name, i) => ({ name, user: 'ops', addresses: [`10.79.41.${11 + i}`] })),
}
const inventory = (administrators: string) => `vars:
  user: ops
  key: .provision/lab/t-renew/id_ed25519
  known_hosts: .provision/lab/t-renew/known_hosts
  base: { updates: { enabled: false }, time: { service: none } }
hosts:
  lb-01: { address: 10.79.41.11 }
  web-01: { address: 10.79.41.12 }
groups:
  load_balancers:
    hosts: [lb-01]
    vars:
      base: { administrators: [${administrators}] }
      haproxy-tls:
        certificates: [{ names: [www.example.test] }]
        acme: { directory: 'https://10.79.41.1:14000/dir', ca_file: .provision/lab/t-renew/authority.pem }
  web:
    hosts: [web-01]
    vars: { nginx: { content: playbooks/site } }
`
const PLAYBOOK = `- { name: balancers, hosts: load_balancers, roles: [base] }
- { name: web servers, hosts: web, roles: [nginx] }
- { name: balancer, hosts: load_balancers, roles: [haproxy-tls] }
`

beforeAll(async () => {
  project.write('inventory/site.yaml', inventory(''))
  project.write('playbooks/site.yaml', PLAYBOOK)
  await up(lab)
}, 300_000)
afterAll(async () => {
  await down(lab)
  project.remove()
})

const serial = () =>
  project
    .provision('exec', 'lb-01', '--sudo', '--', 'openssl', 'x509', '-noout', '-serial', '-in', '/etc/ssl/haproxy/www.example.test.pem')
    .stdout.match(/serial=(\w+)/)?.[1]

it('a scheduled run renews by its own keys, three times in a row, and gets into no other host', async () => {
  const first = project.provision('run')
  expect(first.status, first.stdout + first.stderr).toBe(0)

  const { status, stdout, stderr } = project.provision('schedule', 'print')
  expect(status, stdout + stderr).toBe(0)
  const [, sshKey = '', ageKey = ''] = /The keys are (\S+) and (\S+)\.\n/.exec(stdout) ?? []
  const [, entry = ''] = /- (\{"name":"provision-renewal".*\})\n/.exec(stdout) ?? []
  project.write('inventory/site.yaml', inventory(entry))
  expect(project.provision('run', '--role', 'base', '--limit', 'load_balancers').status).toBe(0)

  const own = project.env.PROVISION_AGE_KEY_FILE
  const renew = (...words: readonly string[]) => {
    project.env.PROVISION_AGE_KEY_FILE = ageKey
    const run = project.provision('run', '--user', 'provision-renewal', '--key', sshKey, ...words)
    project.env.PROVISION_AGE_KEY_FILE = own
    return run
  }
  const serials = new Set([serial()])
  for (let time = 1; time <= 3; time++) {
    await sleep(17_000)
    const run = renew('--role', 'haproxy-tls', '--limit', 'load_balancers')
    expect(run.status, run.stdout + run.stderr).toBe(0)
    serials.add(serial())
    expect(serials.size).toBe(time + 1)
  }

  const elsewhere = renew('--role', 'nginx', '--limit', 'web')
  expect(elsewhere.status).toBe(4)
  expect(elsewhere.stderr).toContain('web-01')
  // What its key opens is the account and the edge authority; the person's key is elsewhere, and still opens both.
  expect(project.provision('run', '--dry-run', '--role', 'haproxy-tls').status).not.toBe(3)
  expect(spawnSync('stat', ['-c', '%a', ageKey, sshKey], { encoding: 'utf8' }).stdout).toBe('600\n600\n')
}, 300_000)
