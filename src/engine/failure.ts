import { join, relative } from 'node:path'
import { Problem, Problems, problemsIn } from '../problem.ts'
import { ControllerFailure, HostRefusal } from '../resource/kind/step.ts'
import { placeOfError } from '../role/error-place.ts'
import { packageHome } from '../role/package-home.ts'

/** The part of a kind or role that was called, and the resource that it was called for. */
export interface Call {
  /** The call, as a message names it: `plan of kind file`. */
  readonly call: string
  readonly role?: string
  /** `kind:identity`. */
  readonly resource?: string
}

/** A kind or role threw an error that is no problem, for one host. */
class CallFailure extends Error {
  override readonly name = 'CallFailure'
  readonly call: Call

  constructor(call: Call, cause: unknown) {
    super(`${call.call} failed`, { cause })
    this.call = call
  }
}

/** Calls a kind or role. An error that is no problem gets the name of the call. */
export const calling = <T>(call: Call, act: () => T): T => {
  try {
    return act()
  } catch (error) {
    throw isOrdinary(error) ? error : new CallFailure(call, error)
  }
}

const isOrdinary = (error: unknown): boolean =>
  problemsIn(error) !== undefined ||
  error instanceof HostRefusal ||
  error instanceof ControllerFailure ||
  error instanceof CallFailure ||
  isInterruption(error)

/** Whether the error is only the interruption of the run. */
export const isInterruption = (error: unknown): boolean => error instanceof Error && error.name === 'AbortError'

/**
 * The problems of an error that concerns one host. A mistake in a kind, a role or provision itself becomes a problem of this host too, so
 * that the run of the other hosts continues. An interruption has no problems.
 */
export const problemsOn = (host: string, error: unknown, about: Call = { call: 'run on this host' }): readonly Problem[] => {
  const known = problemsIn(error)
  if (known !== undefined) return known
  if (isInterruption(error)) return []
  if (error instanceof ControllerFailure) return problemsOn(host, error.cause, about)
  const { call, cause } = error instanceof CallFailure ? error : { call: about, cause: error }
  return [error instanceof HostRefusal ? refused(host, error) : mistake(host, cause, { ...about, ...call })]
}

/** Runs `act` for one host. Throws only `Problems` and interruptions. */
export const onHost = async <T>(host: string, about: Call, act: () => T | Promise<T>): Promise<T> => {
  try {
    return await act()
  } catch (error) {
    if (isInterruption(error)) throw error
    throw new Problems(problemsOn(host, error, about))
  }
}

const refused = (host: string, { what, why, fix = 'correct what the host reports, and run again' }: HostRefusal): Problem =>
  new Problem({ class: 'task', where: { host }, what, why, fix })

const mistake = (host: string, error: unknown, { call, role, resource }: Call): Problem => {
  const where = { host, ...(role !== undefined && { role: `role ${role}` }), ...(resource !== undefined && { resource }) }
  const what = `${call} failed: ${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}`.split('\n')[0] ?? ''
  const source = authorLine(error)
  const [why, fix] =
    source === undefined
      ? ['this is a bug in provision, not in your project', 'run the command again with --debug and report the output']
      : [`${source} threw this error`, `correct ${source.replace(/:\d+:\d+$/, '')}, and run again`]
  return new Problem({ class: 'task', where, what, why, fix }, { cause: error })
}

/** The first line of the stack that is neither in provision nor in a package: `kinds/seed.ts:12:7`. */
export const authorLine = (error: unknown): string | undefined => {
  const own = ['src', 'dist', 'roles', 'bin'].map((folder) => join(packageHome(), folder))
  const place = placeOfError(error, own)
  return place && `${relative(process.cwd(), place.file)}:${place.line}:${place.column}`
}
