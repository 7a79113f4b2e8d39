import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Problem } from '../problem.ts'
import { endGroup, makeGroup, membersOf } from './cgroup.ts'
import { KEEP } from './keep.ts'
import { addressOf, type LabHost, type LabSpec, layoutOf, portOf } from './spec.ts'

/** Where a host's overlay and log are. */
export const stateOf = (spec: LabSpec, host: LabHost): string => join(layoutOf(spec).state, host.name)

/** The directory that holds every path in which a host differs from the base image. */
export const overlayOf = (spec: LabSpec, host: LabHost): string => join(stateOf(spec, host), 'upper')

const groupOf = (spec: LabSpec, host: LabHost) => join(layoutOf(spec).cgroup, `host-${host.name}`)

// Machine names are shared by everything that uses systemd-nspawn on this machine.
const machineOf = (spec: LabSpec, host: LabHost) => `pv-${layoutOf(spec).id}-${host.name}`

/** Starts a host that does not run, and answers before it has booted. */
export const startHost = async (spec: LabSpec, host: LabHost): Promise<void> => {
  const group = groupOf(spec, host)
  if ((await membersOf(join(group, 'keeper'))).length > 0) return
  await endHost(spec, host)
  const layout = layoutOf(spec)
  const state = stateOf(spec, host)
  const script = join(state, 'keep.sh')
  await writeWhole(script, KEEP)
  await mkdir(join(state, 'root'), { recursive: true })
  const log = await open(join(state, 'console.log'), 'a')
  const env = {
    ...process.env,
    LAB_GROUPS: (await makeGroup(group)).join(' '),
    LAB_HOST_STATE: state,
    LAB_IMAGE: (await readFile(join(state, 'image'), 'utf8')).trim(),
    LAB_HOST: host.name,
    LAB_MACHINE: machineOf(spec, host),
    LAB_MAC: macOf(host),
    LAB_PORT: portOf(host),
    LAB_SWITCH: layout.switch,
    LAB_ADDRESSES: host.addresses.map((address) => `${address}/${address.includes(':') ? 64 : 24}`).join(' '),
    LAB_GATEWAYS: layout.gateways
      .filter(({ prefix }) => host.addresses.some((address) => address.includes(':') === (prefix === 64)))
      .map(({ address }) => address)
      .join(' '),
  }
  const keeper = spawn('sh', [script], { cwd: '/', env, detached: true, stdio: ['ignore', log.fd, log.fd] })
  await new Promise((resolve, reject) => keeper.once('spawn', resolve).once('error', reject))
  keeper.unref()
  await log.close()
}

/** Pulls the plug: all that runs in the host ends at once, and nothing of it boots again. */
export const endHost = async (spec: LabSpec, host: LabHost): Promise<void> => {
  // First the keeper, which would take the end for a reboot.
  await endGroup(join(groupOf(spec, host), 'keeper'))
  await endGroup(groupOf(spec, host))
  await rm(join('/run/systemd/nspawn/propagate', machineOf(spec, host)), { recursive: true, force: true })
}

/** The process that is the host's systemd, for nsenter; undefined when the host does not run. */
export const leaderOf = async (spec: LabSpec, host: LabHost): Promise<number | undefined> => {
  for (const pid of await membersOf(join(groupOf(spec, host), 'machine'))) {
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
    if (/^NSpid:\t\d+\t1$/m.test(status) && !/^State:\tZ/m.test(status)) return pid
  }
  return undefined
}

/** Asks the host's systemd to reboot, as an administrator would, and waits until its successor answers. */
export const rebootHost = async (spec: LabSpec, host: LabHost): Promise<void> => {
  const before = await leaderOf(spec, host)
  if (before === undefined) throw notAnswering(spec, host, 'it does not run')
  // What Ctrl-Alt-Del does on a real machine.
  process.kill(before, 'SIGINT')
  for (let left = 1200; (await leaderOf(spec, host)) === before; left--) {
    if (left === 0) throw notAnswering(spec, host, 'it did not go down within two minutes')
    await sleep(100)
  }
  await untilReady(spec, host)
}

/** Waits until the host's sshd greets on port 22. */
export const untilReady = async (spec: LabSpec, host: LabHost): Promise<void> => {
  for (let left = 600; !(await greets(addressOf(host))); left--) {
    if (left === 0) throw notAnswering(spec, host, 'no SSH server greeted on port 22 within a minute')
    if (left < 580 && (await membersOf(groupOf(spec, host))).length === 0) throw notAnswering(spec, host, 'it ended while it booted')
    await sleep(100)
  }
}

/** Writes a file so that nobody ever reads half of it. */
export const writeWhole = async (path: string, text: string, mode = 0o644): Promise<void> => {
  await writeFile(`${path}.new`, text, { mode })
  await rename(`${path}.new`, path)
}

const greets = (address: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host: address, port: 22 })
    const settle = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(1000, () => settle(false))
    socket.on('error', () => settle(false))
    socket.on('close', () => settle(false))
    socket.on('data', (chunk) => settle(chunk.toString('latin1').startsWith('SSH-2.0')))
  })

const notAnswering = (spec: LabSpec, host: LabHost, why: string) =>
  new Problem({
    class: 'task',
    where: { host: host.name },
    what: 'the lab host does not answer',
    why,
    fix: `read ${join(stateOf(spec, host), 'console.log')}; \`provision lab reset\` makes it anew`,
  })

// Stable, so that neighbours who remember it stay right after a reset; the second digit marks it as local.
const macOf = (host: LabHost) => {
  const hash = createHash('sha256').update(host.name).digest('hex')
  return ['02', ...[0, 2, 4, 6, 8].map((at) => hash.slice(at, at + 2))].join(':')
}
