import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { cutOff, labDown, labReset, reconnect } from '../../src/lab/index.ts'
import { type Bench, run, runUntil, type Stopped } from '../faults/bench.ts'
import { inside } from './support/interrupt.ts'
import { referenceProject } from './support/project.ts'

const [SUBNET, HOST] = ['10.79.98', 'host-01']
const project = referenceProject('t-two', SUBNET)
const spec = { name: project.lab, root: project.root, hosts: [{ name: HOST, user: 'ops', addresses: [`${SUBNET}.11`] }] }
const bench: Bench = { project, spec }
const on = (script: string): Promise<string> => inside(spec, HOST, script)

// Each run writes its name twice, the second time after a delay.
const ROLE = `import { command, defineRole, pkg, z } from 'provision'
export default defineRole({
  name: 'writer',
  summary: 'writes its name twice',
  options: z.strictObject({ name: z.string(), seconds: z.number().default(0), hello: z.boolean().default(false) }),
  resources: ({ options: { name, seconds, hello } }) => [
    command({ name: 'first', run: \`echo \${name} first >>/srv/log\`, unless: \`grep -qsx '\${name} first' /srv/log\` }),
    ...(hello ? [pkg({ name: 'hello' })] : []),
    command({ name: 'second', run: \`sleep \${seconds}; echo \${name} second >>/srv/log\`, unless: \`grep -qsx '\${name} second' /srv/log\` }),
  ],
})
`
const playbook = (name: string, options = ''): void =>
  project.write(`playbooks/${name}.yaml`, `- hosts: all\n  roles:\n    - writer: { name: ${name}${options} }\n`)

beforeAll(async () => {
  const files = `.provision/lab/${project.lab}`
  project.write(
    'inventory/site.yaml',
    `vars: { user: ops, key: ${files}/id_ed25519, known_hosts: ${files}/known_hosts }\nhosts: { ${HOST}: { address: ${SUBNET}.11 } }\n`,
  )
  project.write('roles/writer.ts', ROLE)
  for (const name of ['one', 'two']) playbook(name)
  playbook('slow', ', seconds: 3')
  playbook('installs', ', hello: true')
  await labReset(spec)
})
afterAll(async () => {
  await labDown(spec)
  project.remove()
})
// The ownership record is deleted too, so that every run sends the same requests.
beforeEach(() => on(': >/srv/log; rm -rf /var/lib/provision/owned'))

/** A run of `one` that is suspended after it has written its first name, like a machine that sleeps. */
const paused = async (name = 'one'): Promise<Stopped> => {
  // Requests: observation, ownership record, and the first command.
  const stopped = await runUntil(bench, name, 3)
  expect(stopped.isOver).toBe(false)
  await expect.poll(() => on('cat /srv/log')).toBe(`${name} first\n`)
  return stopped
}

const seconds = async (work: () => Promise<unknown>): Promise<number> => {
  const started = performance.now()
  await work()
  return (performance.now() - started) / 1000
}

const WHO = `root on ${hostname()} since 20\\S+Z \\(provision run --output plain playbooks/`

/** Starts a run with --wait. Returns once it reports that it waits. */
const waiting = async (text: RegExp, then: () => unknown): Promise<{ readonly said: string; readonly after: number }> => {
  let struck = 0
  const { said, status } = await run(bench, 'two', {
    heard: (heard) => {
      if (struck !== 0 || !text.test(heard)) return
      struck = performance.now()
      then()
    },
  })
  expect(status).toBe(0)
  return { said, after: (performance.now() - struck) / 1000 }
}

describe('two controllers of one host', () => {
  it('one runs; the other reports user, machine, start and command of the lock holder, and changes nothing', async () => {
    const first = await paused()
    const other = project.provision('run', 'playbooks/two.yaml')
    expect(other.status).toBe(1)
    expect(other.stderr).toMatch(new RegExp(`host is locked by ${WHO}one.yaml\\)`))
    expect(other.stderr).toContain('wait until that run ends, or run with --wait')
    expect(other.stdout).toMatch(new RegExp(`^ {2}${HOST} +busy$`, 'm'))
    const looked = project.provision('run', 'playbooks/two.yaml', '--dry-run')
    expect(looked.status).toBe(2)
    expect(looked.stdout).toMatch(new RegExp(`^! a run is under way on this host, by ${WHO}one.yaml\\): `, 'm'))
    expect(await on('cat /srv/log')).toBe('one first\n')
    process.kill(first.pid, 'SIGCONT')
    expect((await first.ended).status).toBe(0)
    expect(await on('cat /srv/log')).toBe('one first\none second\n')
    expect(project.provision('run', 'playbooks/two.yaml', '--dry-run').stdout).not.toContain('under way')
  })

  it('the other waits with --wait, names the holder, and continues after the end of that run', async () => {
    const first = await paused('slow')
    const { said } = await waiting(new RegExp(`waiting for the lock: locked by ${WHO}slow.yaml\\): the run is alive`), () =>
      process.kill(first.pid, 'SIGCONT'),
    )
    expect(said).toContain('changes applied and confirmed')
    expect((await first.ended).status).toBe(0)
    expect(await on('cat /srv/log')).toBe('slow first\nslow second\ntwo first\ntwo second\n')
  })

  it('continues within two seconds after a kill of the other', async () => {
    // The duration of a run that does not wait.
    const alone = await seconds(() => run(bench, 'two'))
    await on(': >/srv/log; rm -rf /var/lib/provision/owned')
    const first = await paused()
    const { after } = await waiting(/the run is alive/, () => process.kill(first.pid, 'SIGKILL'))
    expect(after).toBeLessThan(alone + 2)
    expect(await on('cat /srv/log')).toBe('one first\ntwo first\ntwo second\n')
  })

  it('takes the lock of a silent one within 30 seconds of its last heartbeat, which cannot write after its return', async () => {
    const first = await paused()
    await cutOff(spec, HOST)
    await sleep(1000)
    await reconnect(spec, HOST)
    const since = performance.now()
    expect((await run(bench, 'two')).status).toBe(0)
    const took = (performance.now() - since) / 1000
    expect(took).toBeGreaterThan(20)
    expect(took).toBeLessThan(30 + 2 + 8)
    process.kill(first.pid, 'SIGCONT')
    const { status, said } = await first.ended
    expect(status).toBe(4)
    expect(said).toContain('connection was lost')
    expect(await on('cat /srv/log')).toBe('one first\ntwo first\ntwo second\n')
  })

  it('waits for the apt of a killed run, whose packages are then installed', async () => {
    await on(`echo 'DPkg::Pre-Invoke { "sleep 5"; };' >/etc/apt/apt.conf.d/99slow`)
    const first = await runUntil(bench, 'installs', 4)
    await expect.poll(() => on('pgrep -x apt-get || true'), { timeout: 60_000 }).not.toBe('')
    process.kill(first.pid, 'SIGKILL')
    const { stdout, status } = project.provision('run', '--output', 'plain', 'playbooks/installs.yaml')
    expect(stdout).toMatch(
      /waiting for the lock: locked by .*installs.yaml\): the (controller of the run is gone|run has ended, and its last step is still running) \(.*apt-get\(\d+\)/,
    )
    expect(status).toBe(0)
    expect(await on("dpkg-query -s hello | grep ^Status; grep -c ' install hello' /var/log/dpkg.log; rm /etc/apt/apt.conf.d/99slow")).toBe(
      'Status: install ok installed\n1\n',
    )
    expect(await on('cat /srv/log')).toBe('installs first\ninstalls second\n')
  })
})
