import { setTimeout as sleep } from 'node:timers/promises'
import { Problem } from '../../problem.ts'
import type { Target } from '../target/connection.ts'
import type { ConnectOptions } from '../target/link.ts'
import { isRefusedForNow } from './connect-problem.ts'
import { semaphore } from './semaphore.ts'

/** A connection that sshd dropped or that nothing accepted, and how often to try. */
export interface Dropped {
  readonly dropped: Problem
  readonly tries: number
}

/** Attempts if nothing listens at the port, as during a restart of sshd. The pauses between them take two seconds. */
const REFUSED_TRIES = 4

// sshd refuses bursts of connections before login (MaxStartups, PerSourcePenalties).
const limitLogins = semaphore(20)

/** Connects and logs in. Retries with growing pauses if sshd drops the connection, or if nothing listens for a moment. */
export const patiently = async <T extends object>(
  target: Target,
  options: ConnectOptions,
  attempt: () => Promise<T | Dropped>,
  limit: <R>(work: () => Promise<R>) => Promise<R> = limitLogins,
): Promise<T> => {
  for (let tries = 1; ; tries += 1) {
    options.signal?.throwIfAborted()
    const result = await limit(attempt)
    if (!('dropped' in result)) return result
    if (tries >= result.tries || options.retries === false) throw result.dropped
    const pause = 150 * 2 ** tries * (0.5 + Math.random())
    options.log?.(`${target.name}: ${result.dropped.what}; retry in ${Math.round(pause)} ms`)
    await sleep(pause, undefined, { signal: options.signal }).catch(() => {})
  }
}

/** Returns the problem of a connection that nothing accepted, to be tried again. Throws any other error. */
export const refusedForNow = (error: unknown): Dropped => {
  if (error instanceof Problem && isRefusedForNow(error.cause)) return { dropped: error, tries: REFUSED_TRIES }
  throw error
}
