import { setTimeout as sleep } from 'node:timers/promises'
import { Problem } from '../../problem.ts'
import type { Target } from '../target/connection.ts'
import type { ConnectOptions } from '../target/link.ts'
import { isRefusedForNow } from './connect-problem.ts'
import { isLateLogin } from './handshake-problem.ts'
import { adaptiveSemaphore, type Limit } from './semaphore.ts'

/** A failed connection to retry: `tries` times if sshd dropped it, or for `PATIENCE_MS` if nothing accepted it. */
export interface Dropped {
  readonly dropped: Problem
  readonly tries?: number
}

/** Time for which to retry a host that accepts no connection, because it may be booting or restarting sshd. A silent host has the same time. */
const PATIENCE_MS = 10_000
const LONGEST_PAUSE_MS = 2_000

/** Time in attempts after which a dropped connection is not retried: an overloaded sshd drops it at once, and a slow one would occupy a place. */
const SLOW_MS = 20_000

/**
 * The pause before the next attempt, in milliseconds; undefined if there is none. Pauses double and vary by half, so that the hosts of a
 * site do not retry at once. `spentMs` is the time since the first attempt, or the time in attempts if `tries` limits their number.
 */
export const nextPause = (made: number, spentMs: number, tries?: number): number | undefined => {
  const pause = Math.min(150 * 2 ** made, LONGEST_PAUSE_MS) * (0.5 + Math.random())
  if (tries === undefined) return spentMs + pause > PATIENCE_MS ? undefined : pause
  return made >= tries || spentMs > SLOW_MS ? undefined : pause
}

// sshd refuses bursts of connections before login (MaxStartups, PerSourcePenalties).
const limitLogins = adaptiveSemaphore(20)

/** Whether a server, or this machine, has too many logins at once. A host on which nothing listens is no sign of overload. */
const isOverloaded = (outcome: object): boolean =>
  'tries' in outcome || ('error' in outcome && outcome.error instanceof Problem && isLateLogin(outcome.error))

/** Connects and logs in. Retries with growing pauses if sshd drops the connection, or if nothing listens for a moment. */
export const patiently = async <T extends object>(
  target: Target,
  options: ConnectOptions,
  attempt: () => Promise<T | Dropped>,
  limit: Limit = limitLogins,
): Promise<T> => {
  let began: number | undefined
  let busyMs = 0
  const timed = async (): Promise<T | Dropped> => {
    const start = Date.now()
    began ??= start
    return await attempt().finally(() => {
      busyMs += Date.now() - start
    })
  }
  for (let made = 1; ; made += 1) {
    options.signal?.throwIfAborted()
    // Only the first attempt: one host must not slow down the others with each retry.
    const result = await limit(timed, (outcome) => made === 1 && isOverloaded(outcome))
    if (!('dropped' in result)) return result
    const spentMs = result.tries === undefined ? Date.now() - (began ?? Date.now()) : busyMs
    const pause = options.retries === false ? undefined : nextPause(made, spentMs, result.tries)
    if (pause === undefined) throw result.dropped
    options.log?.(`${target.name}: ${result.dropped.what}; retry in ${Math.round(pause)} ms`)
    await sleep(pause, undefined, { signal: options.signal }).catch(() => {})
  }
}

/** Returns the problem of a connection that nothing accepted, to be tried again. Throws any other error. */
export const refusedForNow = (error: unknown): Dropped => {
  if (error instanceof Problem && isRefusedForNow(error.cause)) return { dropped: error }
  throw error
}
