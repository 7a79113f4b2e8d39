import { Problem } from '../../problem.ts'

/** The problem of a host that cannot be reached or used, or was lost. */
export const unreachable = (host: string, parts: { what: string; fix: string; why?: string | undefined; cause?: unknown }): Problem => {
  const { what, fix, why, cause } = parts
  return new Problem(
    { class: 'unreachable', where: { host }, what, fix, why: why?.trim() || undefined },
    cause === undefined ? {} : { cause },
  )
}

/** The problem of a host whose sshd accepts the login but opens no session. */
export const sessionProblem = (host: string, error: Error): Problem =>
  unreachable(host, {
    what: 'sshd refused to open a session',
    why: error.message,
    fix: 'raise MaxSessions, or remove ForceCommand, in the sshd configuration of the host',
    cause: error,
  })

/** The problem of a host that accepts the login, but takes too long to open a session. */
export const lateSession = (host: string, ms: number): Problem =>
  unreachable(host, { what: `session did not open within ${ms / 1000} s`, fix: 'check that the host is not overloaded' })

/** Resolves like `promise`, or throws `problem()` after `ms`. A value that arrives later is passed to `late`, which can close it. */
export const within = async <T>(ms: number, promise: Promise<T>, problem: () => Problem, late?: (value: T) => void): Promise<T> => {
  let timer: NodeJS.Timeout | undefined
  let expired = false
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      expired = true
      reject(problem())
    }, ms)
  })
  promise.then(
    (value) => expired && late?.(value),
    () => {},
  )
  return await Promise.race([promise, deadline]).finally(() => clearTimeout(timer))
}
