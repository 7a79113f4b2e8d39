import type { Problem } from '../problem.ts'
import type { View } from '../report/view.ts'

/** An option of a command: what `node:util` parses, and what `--help` prints. */
export interface Option {
  readonly type: 'string' | 'boolean'
  readonly short?: string
  /** May be given several times. */
  readonly multiple?: boolean
  /** What its value is called in the help: `NAME`. */
  readonly value?: string
  /** The only values that it takes. */
  readonly choices?: readonly string[]
  readonly help: string
}

export type Options = Readonly<Record<string, Option>>

/** The values of some options, as typed by what they say of themselves. */
export type Values<O extends Options> = {
  readonly [Name in keyof O]?: O[Name]['multiple'] extends true ? readonly string[] : O[Name]['type'] extends 'string' ? string : boolean
}

export interface Arguments<O extends Options> {
  readonly positionals: readonly string[]
  /** What stands behind `--`. */
  readonly rest: readonly string[]
  readonly values: Values<O>
}

/** Where a command runs and how it speaks: everything that it may know of the process. */
export interface Surroundings {
  /** The working directory. */
  readonly directory: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** Aborted by the first Ctrl-C: finish the step at hand, then end. */
  readonly signal: AbortSignal
  /** For what was asked for. */
  out(text: string): void
  /** For everything else. */
  err(text: string): void
  /** For secrets that were asked for by name; all else loses them on its way out. */
  disclose(text: string): void
  readonly view: View
  /** Whether `out` is a terminal that can rewrite its lines; how many it has. */
  readonly live: boolean
  rows(): number
  /** A question to whoever sits there; undefined where nobody does. */
  ask?: (question: string) => Promise<string>
}

/** How a command ended: its exit status, or that and the problems that `main` shall print. */
export type Ended = number | { readonly status: number; readonly problems: readonly Problem[] }

export interface Command {
  /** Behind `provision`: `run [PLAYBOOK...]`. One line for each way of using it. */
  readonly usage: readonly string[]
  readonly options: Options
  /** A few lines for the help: what is worth knowing beyond the options. */
  readonly notes?: readonly string[]
  /** How many words it takes beside its options; any number where nothing is said. */
  readonly words?: number
  /** What stands behind `--` is a command of the user's own. Elsewhere `--` only says that no option follows. */
  readonly passesOn?: boolean
  run(given: Arguments<Options>, surroundings: Surroundings): Promise<Ended>
  /** Tells a program, which reads only what it asked for, that its command line was wrong. */
  refused?(argv: readonly string[], problems: readonly Problem[], surroundings: Surroundings): void
}

/** Says what a command is; the types of its values follow from its options. */
export const defineCommand = <const O extends Options>(command: {
  readonly usage: readonly string[]
  readonly options: O
  readonly notes?: readonly string[]
  readonly words?: number
  readonly passesOn?: boolean
  run(given: Arguments<O>, surroundings: Surroundings): Promise<Ended>
  refused?(argv: readonly string[], problems: readonly Problem[], surroundings: Surroundings): void
}): Command => ({
  ...command,
  run: (given, surroundings) => command.run(given as Arguments<O>, surroundings),
})
