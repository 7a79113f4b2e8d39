import type { Answer } from './kind.ts'

/** How a service is to take its configuration; `reload` becomes a restart where the unit cannot reload, and a start where it does not run. */
export type LoadMode = 'reload' | 'restart' | 'start'

/** What a service is asked to load. */
export interface Load {
  readonly unit: string
  /** Paths of everything the service reads; the stamp holds their digests. */
  readonly files: readonly string[]
  /** Those of `files` that a reload cannot bring in. */
  readonly restarts?: readonly string[]
  readonly mode: LoadMode
  /** The set whose former state lies in the undo directory: put back when the service refuses, forgotten when it took. */
  readonly set?: string | undefined
  /** POSIX sh that must succeed after the load; `$kids` holds the main process's children from before it. */
  readonly took?: string | undefined
}

/** Waits for a child of the main process that was not there before: nginx and haproxy refuse a reload in silence otherwise. */
export const newWorker = ''

/** One fragment that loads, verifies, stamps and forgets, or puts back and says why: give its answer to `checkLoaded`. */
export const loadScript = (_load: Load): string => {
  throw new Error('not written yet')
}

/** Throws `Refused` with the service's own last words when a load was refused. */
export const checkLoaded = (_answer: Answer, _done: readonly string[] = []): void => {
  throw new Error('not written yet')
}
