import type { Problem } from '../problem.ts'

/** Returns the exit status for problems: the first of 3, 1, 4; 0 without problems. */
export const statusOf = (problems: readonly Problem[]): number => {
  const classes = new Set(problems.map((problem) => problem.class))
  if (classes.has('input')) return 3
  if (classes.has('task')) return 1
  return classes.has('unreachable') ? 4 : 0
}

/** Exit status of a run that the user interrupted. */
export const INTERRUPTED = 130
/** Resolves like `work`, or rejects as soon as the signal fires. Only for work that changes nothing, because it continues unattended. */
export const unlessInterrupted = async <T>(signal: AbortSignal, work: Promise<T>): Promise<T> => {
  const interrupted = Promise.withResolvers<never>()
  const interrupt = (): void => interrupted.reject(signal.reason)
  if (signal.aborted) interrupt()
  signal.addEventListener('abort', interrupt)
  return await Promise.race([work, interrupted.promise]).finally(() => signal.removeEventListener('abort', interrupt))
}
