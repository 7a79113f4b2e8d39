import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { cutOff, reboot, reconnect } from '../../src/lab/index.ts'
import { inside, interruptRun, untilStopped } from './support/interrupt.ts'
import { answers, down, referenceLab, up } from './support/lab.ts'
import { changes, referenceProject } from './support/project.ts'

const [SUBNET, HOST, CONFIRM] = ['10.79.36', 'web-01', 6]
const ADDRESS = `${SUBNET}.12`
const project = referenceProject('t-lock', SUBNET)
const reference = referenceLab(project, SUBNET)
const spec = { ...reference, hosts: reference.hosts.filter(({ name }) => name === HOST) }
const checkout = fileURLToPath(new URL('../..', import.meta.url))

const US = `${SUBNET}.1, 'fd36::1'`
const STRANGERS = '192.0.2.1'
/** Options of the firewall in the inventory. */
const letIn = (administrators: string, confirmSeconds = CONFIRM): void =>
  project.write(
    'inventory/site.yaml',
    `vars:
  user: ops
  key: .provision/lab/t-lock/id_ed25519
  known_hosts: .provision/lab/t-lock/known_hosts
  firewall: { administrators: [${administrators}], confirm_seconds: ${confirmSeconds} }
hosts:
  ${HOST}: { address: ${ADDRESS}, internal: [${ADDRESS}, 'fd36::12'] }
`,
  )

const on = (script: string): Promise<string> => inside(spec, HOST, script)

/** Rules as docker and fail2ban create them, here created by a unit at boot. */
const FOREIGN = `table ip docker_like {
  chain prerouting { type nat hook prerouting priority dstnat; policy accept; tcp dport 8081 dnat to 172.17.0.2:80; }
  chain forward { type filter hook forward priority filter; policy accept; ip daddr 172.17.0.0/16 accept; }
}
table inet f2b-table {
  set addr-set-sshd { type ipv4_addr; elements = { 192.0.2.66, 192.0.2.67 }; }
  chain f2b-chain { type filter hook input priority filter - 1; policy accept; tcp dport 22 ip saddr @addr-set-sshd reject; }
}
`
const UNIT = `[Unit]
After=network.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f /etc/foreign.nft
[Install]
WantedBy=multi-user.target
`
const foreign = (): Promise<string> =>
  on('systemctl is-active foreign.service; nft list table ip docker_like; nft list table inet f2b-table')
const ours = (): Promise<string> => on('nft -s list table inet provision')

let foreignAtFirst = ''
beforeAll(async () => {
  letIn(US)
  project.write('playbooks/site.yaml', '- hosts: all\n  roles: [firewall]\n')
  await up(spec)
  await on(`apt-get -qq update; apt-get -qq -y install nftables >/dev/null
cat >/etc/foreign.nft <<'END'\n${FOREIGN}END
cat >/etc/systemd/system/foreign.service <<'END'\n${UNIT}END
systemctl enable -q --now foreign.service`)
  foreignAtFirst = await foreign()
})
afterAll(async () => {
  await down(spec)
  project.remove()
})
afterEach(async () => expect(await foreign()).toBe(foreignAtFirst))

describe('the firewall role', () => {
  it('is applied as predicted, and a second run finds nothing to do', () => {
    const predicted = changes(project.json('run', '--dry-run').lines, 'planned')
    expect(predicted).toContain(`${HOST} create nftables:inet provision`)
    const run = project.json('run')
    expect(run.status).toBe(0)
    expect(changes(run.lines, 'applied')).toEqual(predicted)
    expect(project.json('run', '--dry-run').status).toBe(0)
  })

  it('sends two frames to a converged host, and recreates no rule and no counter', async () => {
    const frames = spawnSync(process.execPath, [join(checkout, 'test/e2e/support/count-frames.ts')], {
      cwd: project.root,
      env: project.env,
      encoding: 'utf8',
    })
    expect(frames.stdout).toBe(`${HOST} 2\n`)
    // A table that is loaded again gets a new handle.
    const handles = await on('nft -a -s list table inet provision')
    expect(handles).toMatch(/^table inet provision \{ # handle \d+$/m)
    const before = await counted()
    expect(project.json('run', '--role', 'firewall').lines.at(-1)).toMatchObject({ result: 'converged' })
    expect(await on('nft -a -s list table inet provision')).toBe(handles)
    const after = await counted()
    expect([...after.keys()]).toEqual([...before.keys()])
    expect([...before].filter(([name, packets]) => packets > (after.get(name) ?? 0))).toEqual([])
    expect(after.get('in_ssh')).toBeGreaterThan(before.get('in_ssh') ?? 0)
  })
})

const counted = async (): Promise<ReadonlyMap<string, number>> =>
  new Map(
    [...(await on('nft list counters table inet provision')).matchAll(/counter (\w+) \{\s+packets (\d+)/g)].map(
      ([, name = '', packets]) => [name, Number(packets)],
    ),
  )

/** Waits until a login succeeds again. Returns the duration in seconds. */
const untilReachable = async (within: number): Promise<void> => {
  const end = Date.now() + within * 1000
  while (!(await answers(ADDRESS, 22))) if (Date.now() > end) throw new Error(`no login succeeds after ${within} seconds`)
}

/** Interrupts a run when the new rules are in force and not yet confirmed. */
const struck = (signal: 'SIGKILL' | 'SIGSTOP') => interruptRun(project, `${HOST} doing reconnecting`, signal)

/** The next run reports the rollback, and afterwards the host is unchanged. */
const heals = async (before: string, said: string): Promise<void> => {
  letIn(US)
  expect(project.provision('run', '--dry-run').stdout).toContain(said)
  expect(project.provision('run').status).toBe(0)
  expect(project.json('run', '--dry-run').status).toBe(0)
  expect(await ours()).toBe(before)
}
const TAKEN_BACK = 'last change rolled back by the host at '

describe('rules that lock everybody out', () => {
  it('are rolled back, and the run reports it', async () => {
    const before = await ours()
    letIn(STRANGERS)
    const { status, stdout, stderr } = project.provision('run')
    expect(status).toBe(1)
    expect(stdout + stderr).toContain('new firewall rules rolled back: no new connection confirmed them')
    // The run gave up two seconds before the host did.
    await untilReachable(2 + 5)
    expect(await ours()).toBe(before)
    await heals(before, TAKEN_BACK)
  })

  it('are rolled back if the controller is killed before the confirmation', async () => {
    const before = await ours()
    letIn(STRANGERS)
    expect((await struck('SIGKILL').ended).by).toBe('SIGKILL')
    expect(await answers(ADDRESS, 22)).toBe(false)
    await untilReachable(CONFIRM + 5)
    expect(await ours()).toBe(before)
    await heals(before, TAKEN_BACK)
  })

  it('are gone after a reboot during the wait, and the confirmed rules are active before sshd starts', async () => {
    const before = await ours()
    letIn(STRANGERS, 600)
    await struck('SIGKILL').ended
    expect(await ours()).not.toBe(before)
    await reboot(spec, HOST)
    expect(await ours()).toBe(before)
    const monotonic = (unit: string, property: string): Promise<number> => on(`systemctl show -P ${property} ${unit}`).then(Number)
    const loaded = await monotonic('provision-firewall', 'ActiveEnterTimestampMonotonic')
    expect(loaded).toBeGreaterThan(0)
    expect(loaded).toBeLessThan(await monotonic('ssh', 'InactiveExitTimestampMonotonic'))
    await heals(before, 'last change not confirmed before a reboot, old rules restored')
  })
})

it('valid rules are rolled back if the network is cut before the confirmation', async () => {
  const before = await ours()
  letIn(`${US}, ${STRANGERS}`)
  const run = struck('SIGSTOP')
  await untilStopped(run)
  expect(await ours()).toContain(STRANGERS)
  await cutOff(spec, HOST)
  process.kill(run.pid, 'SIGCONT')
  await sleep(CONFIRM * 1000)
  await reconnect(spec, HOST)
  await expect.poll(ours, { timeout: 5000 }).toBe(before)
  expect(await answers(ADDRESS, 22)).toBe(true)
  expect((await run.ended).said).toContain('no new connection confirmed them')
  await heals(before, TAKEN_BACK)
})
