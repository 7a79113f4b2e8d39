import { existsSync } from 'node:fs'
import { kill } from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { boot, end } from '../../src/lab/index.ts'
import { inside } from '../e2e/support/interrupt.ts'
import { arm, type Bench, counted, fastForward, onHost, run, runUntil, type Stopped } from './bench.ts'
import { vanish } from './vanish.ts'

/** Ways to interrupt a run: the first three between requests or within the current one, the others within a request. */
export type Way = 'controller' | 'network' | 'session' | 'shell' | 'power'
export const BETWEEN = ['controller', 'network', 'session'] as const

/** Work after the next run: a controller that was only disconnected returns. */
export type Afterwards = () => Promise<void>

/** An interruption, with a description for failures; undefined if the run ended before. */
export interface Cut {
  readonly where: string
  /** Whether anything but the host itself could still end the step of the run. */
  readonly afterwards: Afterwards
}

const nothing: Afterwards = async () => {}

/** Runs a playbook and interrupts it after a number of requests. */
export const cutBetween = async (
  bench: Bench,
  playbook: string,
  way: (typeof BETWEEN)[number],
  after: number,
): Promise<Cut | undefined> => {
  const stopped = await runUntil(bench, playbook, after)
  if (stopped.isOver) return undefined
  const where = `${way} after request ${after} (${stopped.host})`
  return { where, afterwards: await BLOWS[way](bench, stopped) }
}

const BLOWS: Readonly<Record<(typeof BETWEEN)[number], (bench: Bench, stopped: Stopped) => Promise<Afterwards>>> = {
  controller: async (_, { pid, ended }) => {
    kill(pid, 'SIGKILL')
    await ended
    return nothing
  },

  // The controller lives and retransmits dropped packets while another run takes its lock. Then its packets arrive.
  network: async ({ spec }, { pid, written, requests, ended }) => {
    const arrive = await vanish(spec, pid)
    const holders = await Promise.all(spec.hosts.map(({ name }) => inside(spec, name, HOLDER)))
    kill(pid, 'SIGCONT')
    // It is silent on every host whose lock it holds.
    const stops = await Promise.all(spec.hosts.map(({ name }) => fastForward(spec, name)))
    return async () => {
      for (const stop of stops) stop()
      for (const [i, { name }] of spec.hosts.entries()) {
        const alive = await inside(spec, name, `[ ! -e /proc/${holders[i]?.trim() || 'none'}/exe ] || echo alive`)
        if (alive !== '') throw new Error(`its shell on ${name} still is there, and can do what it is yet to be sent`)
      }
      await arrive()
      const late = setTimeout(() => kill(pid, 'SIGKILL'), 90_000)
      const { status, said } = await ended
      clearTimeout(late)
      // The previous answer may have been the last one that the run needed.
      if (status === 0 && requests() > written) throw new Error(`it had lost the lock and worked on: ${said.slice(-300)}`)
    }
  },

  session: async ({ spec }, { pid, host, ended }) => {
    await inside(spec, host, END_SESSION)
    kill(pid, 'SIGCONT')
    await ended
    return nothing
  },
}

// The shell that holds the lock.
const HOLDER = '{ read -r p _ && echo "$p"; } 2>/dev/null </run/provision.holder || :'

// Kills from the shell that holds the lock up to the listening sshd, which stays.
const END_SESSION = `read -r p _ </run/provision.holder
while [ "$p" -gt 1 ]; do
  { n=$(cut -d ' ' -f 4 "/proc/$p/stat") && read -r name <"/proc/$p/comm"; } 2>/dev/null || break
  [ "$name" != sshd ] || [ "$n" = 1 ] || kill -9 "$p" || break
  p=$n
done`

/**
 * Runs a playbook, and ends the root shell of a host and all below it just before it starts its n-th program or renames its
 * n-th file, or cuts the power of the whole host.
 */
export const cutWithin = async (
  bench: Bench,
  playbook: string,
  way: 'shell' | 'power',
  host: string,
  at: number,
): Promise<Cut | undefined> => {
  await arm(bench.spec, host, at, way === 'shell' ? 'kill' : 'hold')
  let isOver = false
  const ended = run(bench, playbook).finally(() => {
    isOver = true
  })
  if (way === 'power') {
    const held = await onHost(bench.spec, host, '/run/fault.held')
    while (!isOver && !existsSync(held)) await sleep(20)
  } else await ended
  const calls = await counted(bench.spec, host)
  const last = calls.findLast(({ count }) => count > 0)
  if (last?.count !== at) {
    await ended
    return undefined
  }
  if (way === 'power') {
    await end(bench.spec, host)
    await boot(bench.spec, host)
    await ended
  }
  return { where: `${way} at call ${at} (${last.by}: ${last.call} ${last.paths.join(' ')})`, afterwards: nothing }
}
