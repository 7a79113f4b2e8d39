import { basename } from 'node:path'
import { osRefusal } from './os-error.ts'
import { redacted } from './secret/secret.ts'

/** The place of a problem: in a file, on a host (perhaps at a resource), or in a command. */
export type Where =
  | { readonly file: string; readonly line?: number; readonly column?: number; readonly key?: string }
  | { readonly host: string; readonly role?: string; readonly resource?: string }
  | { readonly command: string }

/** Class of a problem, which determines the exit status: `input` 3, `task` 1, `unreachable` 4. */
export type ProblemClass = 'input' | 'task' | 'unreachable'

export interface ProblemParts {
  readonly class: ProblemClass
  readonly where: Where
  /** The event, in one line that begins with its subject. */
  readonly what: string
  /** The cause, or a service's own words in a few lines. */
  readonly why?: string | undefined
  /** The fix, as an imperative. */
  readonly fix: string
}

/** The last lines of a program's output, for `why`. */
export const lastLines = (text: string, count = 10): string => text.trim().split('\n').slice(-count).join('\n')

/** The error for everything that a user can cause or correct. Any other error is a defect of provision. */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly class: ProblemClass
  readonly where: Where
  readonly what: string
  readonly why: string | undefined
  readonly fix: string

  constructor(parts: ProblemParts, options?: ErrorOptions) {
    super(redacted(`${placeOf(parts.where)}: ${parts.what}`), options)
    this.class = parts.class
    this.where = parts.where
    this.what = redacted(parts.what)
    this.why = parts.why === undefined ? undefined : redacted(parts.why)
    this.fix = redacted(parts.fix)
  }
}

/** Several problems that were found together, in order. */
export class Problems extends Error {
  override readonly name = 'Problems'
  readonly problems: readonly Problem[]

  constructor(problems: readonly Problem[]) {
    super(problems.map(({ message }) => message).join('\n'))
    this.problems = problems
  }
}

/** Throws problems together, and a single one as itself. Does nothing without problems. */
export const throwProblems = (problems: readonly Problem[]): void => {
  const [only, ...more] = problems
  if (only !== undefined) throw more.length === 0 ? only : new Problems(problems)
}

/** The problems of an error, or undefined if it is a defect of provision. */
export const problemsIn = (error: unknown): readonly Problem[] | undefined => {
  if (error instanceof Problem) return [error]
  if (error instanceof Problems) return error.problems
  const refused = systemProblem(error)
  return refused === undefined ? undefined : [refused]
}

/**
 * Turns a failed file system or process call into a problem of the user's machine: a full disk, a missing permission. Undefined for
 * any other error.
 * @param about - the path as the user knows it, and the operation (`written`), if the caller knows them better than the error
 */
export const systemProblem = (error: unknown, about: { readonly file?: string; readonly asked?: string } = {}): Problem | undefined => {
  const refused = osRefusal(error, about.file)
  if (refused === undefined) return undefined
  const { code, asked, why, fix } = refused
  const file = about.file ?? refused.path
  const where = file === undefined ? { command: 'provision' } : { file }
  return new Problem(
    {
      class: 'task',
      where,
      what: `${file === undefined ? 'a file' : basename(file)} cannot be ${about.asked ?? asked} (${code})`,
      why,
      fix,
    },
    { cause: error },
  )
}

/** A place as text: `file:line:column`, or `host › role › resource`. */
export const placeOf = (where: Where): string => {
  if ('file' in where) return [where.file, where.line, where.column].filter((part) => part !== undefined).join(':')
  if ('host' in where) return [where.host, where.role, where.resource].filter((part) => part !== undefined).join(' › ')
  return where.command
}

/** A problem in one line, without its cause, for progress and warnings. */
export const lineOf = ({ where, what, fix }: Problem): string => `${placeOf(where)}: ${what}: ${fix}`

/** Problems without repetitions: a wrong option of a group is one problem, not one per host. */
export const distinctProblems = (problems: readonly Problem[]): readonly Problem[] => [
  ...new Map(problems.map((problem) => [problem.message, problem])).values(),
]
