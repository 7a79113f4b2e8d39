import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { open, readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { writeWhole } from '../disk/write.ts'
import { Problem } from '../problem.ts'
import { KEEP } from './keep.ts'
import { enforceLimits } from './limits.ts'
import { endGroup, makeGroup, membersOf } from './machine/cgroup.ts'
import { needsUnified } from './machine/image.ts'
import { addressOf, type LabHost, type LabSpec, layoutOf, portOf } from './spec.ts'

/** The directory of a host's overlay and log. */
export const stateOf = (spec: LabSpec, host: LabHost): string => join(layoutOf(spec).state, host.name)

/** The directory with the host's changes to the base image. */
export const overlayOf = (spec: LabSpec, host: LabHost): string => join(stateOf(spec, host), 'upper')

/** The base image, user and key from which a host's disk was created. */
export interface Disk {
  readonly image: string
  readonly user: string
  readonly key: string
}

/** A host's disk, or undefined if it has none. */
export const diskOf = async (spec: LabSpec, host: LabHost): Promise<Disk | undefined> => {
  const text = await readFile(join(stateOf(spec, host), 'disk.json'), 'utf8').catch(() => undefined)
  return text === undefined ? undefined : JSON.parse(text)
}

/** The cgroup of a host's processes and of its keeper. */
export const groupOf = (spec: LabSpec, host: LabHost) => join(layoutOf(spec).cgroup, `host-${host.name}`)

/** Starts a host unless it runs with these settings. Returns true, before it has booted, if it was started. */
export const startHost = async (spec: LabSpec, host: LabHost): Promise<boolean> => {
  const group = groupOf(spec, host)
  const state = stateOf(spec, host)
  const settings = await settingsOf(spec, host)
  const written = join(state, 'settings.json')
  const same = (await readFile(written, 'utf8').catch(() => '')) === JSON.stringify(settings)
  if (same && (await membersOf(join(group, 'keeper'))).length > 0) return false
  await endHost(spec, host)
  writeWhole(written, JSON.stringify(settings), { mode: 0o644 })
  const script = join(state, 'keep.sh')
  writeWhole(script, KEEP, { mode: 0o644 })
  const log = await open(join(state, 'console.log'), 'a')
  const env = { PATH: process.env.PATH, LAB_GROUPS: (await makeGroup(group)).join(' '), ...settings }
  const keeper = spawn('sh', [script], { cwd: '/', env, detached: true, stdio: ['ignore', log.fd, log.fd] })
  await new Promise((resolve, reject) => keeper.once('spawn', resolve).once('error', reject))
  keeper.unref()
  await log.close()
  return true
}

const settingsOf = async (spec: LabSpec, host: LabHost) => {
  const layout = layoutOf(spec)
  const image = (await diskOf(spec, host))?.image ?? ''
  const has = (prefix: 24 | 64) => host.addresses.some((address) => address.includes(':') === (prefix === 64))
  return {
    LAB_HOST_STATE: stateOf(spec, host),
    LAB_IMAGE: image,
    ...((await needsUnified(image)) ? { SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: '1' } : {}),
    LAB_HOST: host.name,
    // Shown only in this machine's list of processes, and limited to 64 characters.
    LAB_MACHINE: `${layout.switch}-${portOf(host)}`,
    LAB_MAC: macOf(host),
    LAB_PORT: portOf(host),
    LAB_SWITCH: layout.switch,
    LAB_ADDRESSES: host.addresses.map((address) => `${address}/${address.includes(':') ? 64 : 24}`).join(' '),
    LAB_GATEWAYS: layout.gateways.flatMap(({ address, prefix }) => (has(prefix) ? [address] : [])).join(' '),
  }
}

/** Kills all processes of a host and its keeper, so that it does not boot again. */
export const endHost = async (spec: LabSpec, host: LabHost): Promise<void> => {
  // The keeper comes first, because it would treat the end of the host as a reboot.
  await endGroup(join(groupOf(spec, host), 'keeper'))
  await endGroup(groupOf(spec, host))
}

/** The process id of the host's systemd, for nsenter; undefined if the host does not run. */
export const leaderOf = async (spec: LabSpec, host: LabHost): Promise<number | undefined> => {
  for (const pid of await membersOf(join(groupOf(spec, host), 'machine'))) {
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
    if (/^NSpid:\t\d+\t1$/m.test(status) && !/^State:\tZ/m.test(status)) return pid
  }
  return undefined
}

/** Reboots a host by its systemd, and waits until it answers again. */
export const rebootHost = async (spec: LabSpec, host: LabHost): Promise<void> => {
  const before = await leaderOf(spec, host)
  if (before === undefined) throw notAnswering(spec, host, 'the host is not running')
  // Has the same effect as Ctrl-Alt-Del on a real machine.
  process.kill(before, 'SIGINT')
  for (let left = 1200; (await leaderOf(spec, host)) === before; left--) {
    if (left === 0) throw notAnswering(spec, host, 'the host did not shut down within two minutes')
    await sleep(100)
  }
  await untilReady(spec, host)
}

/** Waits until the host's sshd answers on port 22, and makes its limits effective. */
export const untilReady = async (spec: LabSpec, host: LabHost): Promise<void> => {
  // qemu runs a program some ten times slower.
  const minutes = spec.architecture === undefined ? 1 : 15
  const tries = minutes * 600
  for (let left = tries; !(await greets(addressOf(host))); left--) {
    if (left === 0) throw notAnswering(spec, host, `no SSH server answered on port 22 within ${minutes} min`)
    if (left < tries - 20 && (await membersOf(groupOf(spec, host))).length === 0)
      throw notAnswering(spec, host, 'the host stopped during its boot')
    await sleep(100)
  }
  const leader = await leaderOf(spec, host)
  if (leader !== undefined) await enforceLimits(leader)
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
    what: 'lab host does not answer',
    why,
    fix: `read ${join(stateOf(spec, host), 'console.log')}, or recreate the host: provision lab reset`,
  })

// The address stays the same after a reset, so that neighbour tables stay valid. The second digit marks it as locally administered.
const macOf = (host: LabHost) => {
  const hash = createHash('sha256').update(host.name).digest('hex')
  return ['02', ...[0, 2, 4, 6, 8].map((at) => hash.slice(at, at + 2))].join(':')
}
