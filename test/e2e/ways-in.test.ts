import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { selfProvisioningLab } from './support/controller.ts'
import { changes } from './support/project.ts'

const ADDRESSES = { me: '10.79.201.11', certified: '10.79.201.12', proxied: '10.79.201.13', quantum: '10.79.201.14' } as const
const NAMES = Object.keys(ADDRESSES)

const FILES = {
  'inventory/site.yaml': `vars: { user: ops, key: ~/.ssh/id_ed25519 }
hosts:
  me: { address: local }
  certified: { address: ${ADDRESSES.certified}, key: ~/.ssh/certified }
  proxied: {}
  quantum: { address: ${ADDRESSES.quantum} }
`,
  'playbooks/site.yaml': '- hosts: all\n  roles: [app]\n',
  'roles/app.ts': `import { command, defineRole, directory, file, user, z } from 'provision'
export default defineRole({
  name: 'app', summary: 'an account, a directory, a file and a step', options: z.strictObject({}),
  resources: () => [
    user({ name: 'app' }),
    directory({ path: '/srv/app', owner: 'app', mode: '750' }),
    file({ path: '/srv/app/greeting', content: 'hello\\n', owner: 'app', mode: '640' }),
    command({ name: 'mark', run: 'id -un >/srv/app/mark', creates: '/srv/app/mark' }),
  ],
})
`,
  '.ssh/config': `Host proxied
  HostName ${ADDRESSES.proxied}
  ProxyCommand ssh -i ~/.ssh/certified -W %h:%p ops@${ADDRESSES.certified}
`,
}

let lab: Awaited<ReturnType<typeof selfProvisioningLab>>
beforeAll(async () => {
  lab = await selfProvisioningLab('t-ways', ADDRESSES)
  const authority = join(lab.root, 'authority')
  lab.install(FILES, (project) => {
    const keygen = (...words: readonly string[]): void => void execFileSync('ssh-keygen', ['-q', ...words], { cwd: join(project, '.ssh') })
    for (const key of ['certified', authority]) keygen('-t', 'ed25519', '-N', '', '-f', key)
    keygen('-s', authority, '-I', 'jane', '-n', 'ops', '-V', '+1h', 'certified.pub')
  })
  // Each of the hosts has one way in.
  const settings = (...lines: readonly string[]): string =>
    `printf '%s\\n' '${lines.join("' '")}' | sudo tee /etc/ssh/sshd_config.d/way.conf && sudo systemctl restart ssh`
  const key = readFileSync(`${authority}.pub`, 'utf8').trim()
  const certificates = settings('TrustedUserCAKeys /etc/ssh/users.pub', 'AuthorizedKeysFile none')
  lab.on('certified', `echo '${key}' | sudo tee /etc/ssh/users.pub && ${certificates}`)
  lab.on('quantum', settings('KexAlgorithms mlkem768x25519-sha256'))
  lab.on('proxied', `sudo ip route add blackhole ${ADDRESSES.me}`)
})
afterAll(() => lab?.down())

test('one playbook provisions a host that accepts only certificates, one behind a ProxyCommand, one with a post-quantum sshd, and this machine', () => {
  const resources = ['command:mark', 'directory:/srv/app', 'file:/srv/app/greeting', 'owned:app', 'user:app']
  const dry = lab.json('run', '--dry-run')
  const planned = changes(dry.lines, 'planned')
  expect(dry.status).toBe(2)
  expect(planned.map((line) => line.replace(/ \w+ /, ' ')).toSorted()).toEqual(
    NAMES.toSorted().flatMap((host) => resources.map((resource) => `${host} ${resource}`)),
  )
  const first = lab.json('run')
  expect([first.status, changes(first.lines, 'applied')]).toEqual([0, planned])

  const second = lab.provision('run', '--verbose')
  expect([second.status, second.stdout]).toEqual([0, expect.stringContaining('Nothing to do')])
  const output = second.stdout + second.stderr
  const reasons = [...output.matchAll(/(\w+) connects with OpenSSH: (.*)/g)].map(([, host, reason]) => `${host} ${reason}`)
  expect([...new Set(reasons)].toSorted()).toEqual([
    'certified certificate /home/ops/.ssh/certified-cert.pub',
    expect.stringMatching(/^proxied ProxyCommand ssh -i /),
    expect.stringMatching(/^quantum ssh2 has no algorithm in common with it/),
  ])
  for (const name of NAMES) expect(lab.provision('exec', name, '--sudo', '--', 'cat', '/srv/app/mark').stdout).toContain('root')
})
