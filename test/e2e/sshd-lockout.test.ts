import { afterAll, beforeAll, expect, it } from 'vitest'
import { inside, interruptRun } from './support/interrupt.ts'
import { down, referenceLab, up } from './support/lab.ts'
import { changes, referenceProject } from './support/project.ts'

const [SUBNET, HOST, CONFIRM] = ['10.79.33', 'web-01', 6]
const project = referenceProject('t-door', SUBNET)
const reference = referenceLab(project, SUBNET)
const spec = { ...reference, hosts: reference.hosts.filter(({ name }) => name === HOST) }

const ROLE = `import { defineRole, sshd, z } from 'provision'

export default defineRole({
  name: 'door',
  summary: 'settings of sshd',
  options: z.strictObject({ settings: z.record(z.string(), z.string()) }),
  resources: ({ options: { settings } }) => [sshd({ settings, confirmSeconds: ${CONFIRM} })],
})
`
/** Options of sshd in the inventory. */
const settings = (settings: Record<string, string>): void =>
  project.write(
    'inventory/site.yaml',
    `vars:
  user: ops
  key: .provision/lab/t-door/id_ed25519
  known_hosts: .provision/lab/t-door/known_hosts
  door: { settings: ${JSON.stringify(settings)} }
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
