import { Problem } from '../../problem.ts'

/** A host that cannot be reached or used, or that has been lost. */
export const unreachable = (host: string, parts: { what: string; fix: string; why?: string | undefined; cause?: unknown }): Problem => {
  const { what, fix, why, cause } = parts
  const said = why?.trim()
  return new Problem(
    { class: 'unreachable', where: { host }, what, fix, ...(said ? { why: said } : {}) },
    cause === undefined ? {} : { cause },
  )
}

/** The last lines of what somebody said, for `why`. */
export const lastLines = (text: string, count = 10): string => text.trim().split('\n').slice(-count).join('\n')

/** A promise, or a problem when it takes longer than it may. What it gives later goes to `late`, so that it can be closed. */
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
