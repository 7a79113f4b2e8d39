/** Resolves like `work`, or rejects as soon as the signal fires. Only for work that changes nothing: it is not waited for any more. */
export const unlessInterrupted = async <T>(signal: AbortSignal, work: Promise<T>): Promise<T> => {
  const interrupted = Promise.withResolvers<never>()
  const interrupt = (): void => interrupted.reject(signal.reason)
  if (signal.aborted) interrupt()
  signal.addEventListener('abort', interrupt)
  return await Promise.race([work, interrupted.promise]).finally(() => signal.removeEventListener('abort', interrupt))
}
