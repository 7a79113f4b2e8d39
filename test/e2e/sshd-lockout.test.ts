import { afterAll, beforeAll, expect, it } from 'vitest'
import { inside, interruptRun } from './support/interrupt.ts'
import { down, onDebian12, referenceLab, up } from './support/lab.ts'
import { changes, referenceProject } from './support/project.ts'

const [SUBNET, HOST, CONFIRM] = ['10.79.33', 'web-01', 6]
const project = referenceProject('t-door', SUBNET)
const reference = onDebian12(referenceLab(project, SUBNET))
const spec = { ...reference, hosts: reference.hosts.filter(({ name }) => name === HOST) }

const ROLE = `import { defineRole, sshd, z } from 'provision'

export default defineRole({
  name: 'door',
  summary: 'settings of sshd',
  options: z.strictObject({ settings: z.record(z.string(), z.string()) }),
  resources: ({ options: { settings } }) => [sshd({ settings, confirmSeconds: ${CONFIRM} })],
})
`
/** A role of a user's project: changes that would shut out the run, or harmless rules, settings and a restart. */
const DOORS = `import { defineRole, directory, file, link, pkg, service, unit, z } from 'provision'

const conf = file({ path: '/etc/ssh/sshd_config.d/team.conf', content: 'Port 22\\nAllowUsers ops@${SUBNET}.1\\n' })
const sudo = file({ path: '/etc/sudoers.d/team', content: '%team ALL=(ALL) NOPASSWD: ALL\\n', mode: '440' })
const limits = unit({ name: 'ssh.service.d/limits.conf', content: '[Service]\\nLimitNOFILE=4096\\n' })

export default defineRole({
  name: 'doors',
  summary: 'doors of the host',
  options: z.strictObject({ isOpen: z.boolean() }),
  resources: ({ options: { isOpen } }) =>
    isOpen
      ? [conf, sudo, limits, service({ unit: 'ssh.service', restarts: [conf, limits] })]
      : [
          directory({ path: '/home', mode: '700' }),
          file({ path: '/etc/nologin', content: 'closed' }),
          file({ path: '/home/ops/.ssh/authorized_keys', content: 'ssh-ed25519 AAAA other' }),
          link({ path: '/etc/systemd/system/ssh.socket' }),
          pkg({ name: 'openssh-server', state: 'absent' }),
          service({ unit: 'sshd.service', running: false }),
          unit({ name: 'ssh.service.d/x.conf', content: '[Service]\\nExecStart=\\nExecStart=/bin/true\\n' }),
          file({ path: '/etc/motd', content: 'fine' }),
        ],
})
`
/** Options of both roles in the inventory. */
const settings = (settings: Record<string, string>, isOpen = true): void =>
  project.write(
    'inventory/site.yaml',
    `vars:
  user: ops
  key: .provision/lab/t-door/id_ed25519
  known_hosts: .provision/lab/t-door/known_hosts
  door: { settings: ${JSON.stringify(settings)} }
  doors: { isOpen: ${isOpen} }
hosts:
  ${HOST}: { address: ${SUBNET}.12 }
`,
  )
const FEW = { MaxAuthTries: '3' }
const FEWER = { MaxAuthTries: '2', X11Forwarding: 'no' }
/** A plan cannot know the address that sshd sees. */
const SHUT = { AllowUsers: 'ops@192.0.2.1' }

/** The settings in force, the file on disk, and remains of a change. */
const state = (): Promise<string> =>
  inside(
    spec,
    HOST,
    `sshd -T | sort; grep -c sshd_config /proc/self/mountinfo || true; find /etc/ssh/sshd_config.d /var/lib/provision /run/provision* ! -name lock* -printf '%p %m\\n' | sort
     cat /etc/ssh/sshd_config.d/*; systemctl list-timers --no-legend 'provision*'`,
  )
const comesIn = (): boolean => project.provision('exec', HOST, '--', 'true').status === 0
const converges = (): void => {
  const run = project.json('run', '--wait')
  expect(run.stderr).toBe('')
  expect(run.status).toBe(0)
  expect(project.json('run', '--dry-run').status).toBe(0)
}

let few = ''
let fewer = ''
beforeAll(async () => {
  project.write('roles/door.ts', ROLE)
  project.write('roles/doors.ts', DOORS)
  project.write('playbooks/doors.yaml', '- hosts: all\n  roles: [doors]\n')
  project.write('playbooks/site.yaml', '- hosts: all\n  roles: [door]\n')
  await up(spec)
})
afterAll(async () => {
  await down(spec)
  project.remove()
})

it('settings of sshd are applied as predicted, and a second run finds nothing to do', async () => {
  settings(FEWER)
  const predicted = changes(project.json('run', '--dry-run').lines, 'planned')
  expect(predicted.length).toBeGreaterThan(0)
  expect(changes(project.json('run').lines, 'applied')).toEqual(predicted)
  expect(project.json('run', '--dry-run').status).toBe(0)
  fewer = await state()
  settings(FEW)
  converges()
  few = await state()
  expect(few).toContain('maxauthtries 3\n')
})

it('settings that do not list the account of the run are refused at planning', () => {
  settings({ AllowUsers: 'nobody-of-that-name' })
  const { status, stdout, stderr } = project.provision('run')
  expect(status).toBe(1)
  expect(stdout + stderr).toContain('AllowUsers would shut out ops, the account that this run uses')
})

it('settings that lock everybody out are rolled back, and the run reports it', async () => {
  settings(SHUT)
  const { status, stdout, stderr } = project.provision('run')
  expect(status).toBe(1)
  expect(stdout + stderr).toContain('no new connection confirmed them')
  await expect.poll(comesIn, { timeout: (2 + 5) * 1000 }).toBe(true)
  settings(FEW)
  expect(project.provision('run', '--dry-run').stdout).toContain('last change rolled back by the host at ')
  converges()
  expect(await state()).toBe(few)
})

it('settings that lock everybody out are rolled back if the controller is killed before the confirmation', async () => {
  settings(SHUT)
  expect((await interruptRun(project, `${HOST} doing reconnecting`, 'SIGKILL').ended).by).toBe('SIGKILL')
  expect(await state()).not.toContain('maxauthtries 3\n')
  await expect.poll(() => state(), { timeout: (CONFIRM + 5) * 1000 }).toContain('maxauthtries 3\n')
  // The file is restored shortly before sshd reads it.
  await expect.poll(comesIn, { timeout: 5000 }).toBe(true)
  settings(FEWER)
  expect(project.provision('run', '--dry-run').stdout).toContain('last change rolled back by the host at ')
  converges()
  expect(await state()).toBe(fewer)
  settings(FEW)
  converges()
})

it('a run before the rollback converges, and the timer of the killed run rolls nothing back', async () => {
  settings(FEWER)
  await interruptRun(project, `${HOST} doing reconnecting`, 'SIGKILL').ended
  converges()
  await expect.poll(state, { timeout: (CONFIRM + 5) * 1000 }).toBe(fewer)
  expect(project.json('run', '--dry-run').status).toBe(0)
})

it('a role that would shut out the account of the run changes nothing, and the run names each cause', async () => {
  settings(FEW, false)
  const { status, stdout, stderr } = project.provision('run', 'playbooks/doors.yaml')
  expect(status).toBe(1)
  const refused = [...(stdout + stderr).matchAll(/what (.*) would shut out (?:ops, )?the account that this run uses/g)].map(
    ([, what]) => what,
  )
  expect(refused).toEqual([
    '/home',
    '/etc/nologin',
    '/home/ops/.ssh/authorized_keys',
    'removal of package openssh-server',
    'stopping ssh.service',
    '/etc/systemd/system/ssh.service.d/x.conf',
  ])
  expect(await inside(spec, HOST, 'cat /etc/motd; ls -A /etc/systemd/system/ssh.service.d 2>/dev/null || true')).not.toContain('fine')
})

it('a role that keeps logins possible restarts sshd, and converges', async () => {
  settings(FEW)
  const run = project.json('run', 'playbooks/doors.yaml')
  expect([run.stderr, run.status]).toEqual(['', 0])
  expect(project.json('run', 'playbooks/doors.yaml', '--dry-run').status).toBe(0)
  expect(await inside(spec, HOST, 'sshd -T | grep -i allowusers; cat /proc/$(systemctl show -P MainPID ssh)/limits | grep files')).toMatch(
    /allowusers ops@10\.79\.33\.1\n.* 4096 /,
  )
  expect(comesIn()).toBe(true)
})
