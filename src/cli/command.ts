import type { Environment } from '../environment.ts'
import type { Problem } from '../problem.ts'
import type { View } from '../report/view.ts'

/** An option of a command, as `node:util` parses it and `--help` prints it. */
export interface Option {
  readonly type: 'string' | 'boolean'
  readonly short?: string
  /** Whether the option may be repeated. */
  readonly multiple?: boolean
  /** Name of the value in the help: `NAME`. */
  readonly value?: string
  /** Allowed values; any value if undefined. */
  readonly choices?: readonly string[]
  readonly help: string
}

export type Options = Readonly<Record<string, Option>>

/** Values of options, typed by their declarations. */
export type Values<O extends Options> = {
  readonly [Name in keyof O]?: O[Name]['multiple'] extends true ? readonly string[] : O[Name]['type'] extends 'string' ? string : boolean
}

export interface Arguments<O extends Options> {
  readonly positionals: readonly string[]
  /** Arguments after `--`. */
  readonly rest: readonly string[]
  readonly values: Values<O>
}

/** Everything that a command may use of the process: directory, environment, output, terminal. */
export interface CommandContext {
  /** The working directory. */
  readonly directory: string
  readonly env: Environment
  /** Aborted by the first Ctrl-C: the command finishes its current step, then ends. */
  readonly signal: AbortSignal
  /** Prints the result of the command. */
  out(text: string): void
  /** Prints everything else. */
  err(text: string): void
  /** Prints secrets that the user asked for by name. `out` and `err` mask them. */
  disclose(text: string): void
  /** Prints bytes as they are, not masked; undefined if the output is a terminal, which could take them for commands. */
  raw?: (bytes: Uint8Array) => void
  readonly view: View
  /** Whether `out` is a terminal that can rewrite its lines. */
  readonly live: boolean
  /** Rows of the terminal. */
  rows(): number
  /** Asks the user a question; undefined if no terminal is attached. */
  ask?: (question: string) => Promise<string>
  /** Asks for a secret without showing it; undefined if no terminal is attached. */
  askSecret?: (question: string) => Promise<string | undefined>
}

/** Exit status of a command, with the problems that `main` prints. */
export type CommandResult = number | { readonly status: number; readonly problems: readonly Problem[] }

/** Declaration of a command; the types of its values follow from its options. */
export interface CommandDefinition<O extends Options> {
  /** Usage lines without `provision`: `run [PLAYBOOK...]`. */
  readonly usage: readonly string[]
  readonly options: O
  /** Paragraphs printed below the options. */
  readonly notes?: readonly string[]
  /** Maximum number of positional arguments; unlimited if undefined. */
  readonly maxPositionals?: number
  /** Whether the arguments after `--` are a command of the user. If not, `--` only ends the options. */
  readonly takesCommand?: boolean
  /** Number of own positional arguments, by the first one: what follows them is a command of the user, with or without `--`. */
  commandAfter?(first: string | undefined): number | undefined
  run(given: Arguments<O>, context: CommandContext): Promise<CommandResult>
  /** Reports an invalid command line in the requested machine-readable format. */
  reportInvalid?(argv: readonly string[], problems: readonly Problem[], context: CommandContext): void
}

export type Command = CommandDefinition<Options>

/** Declares a command. */
export const defineCommand = <const O extends Options>(definition: CommandDefinition<O>): Command => ({
  ...definition,
  run: (given, context) => definition.run(given as Arguments<O>, context),
})

/** Summary of a command. Its module is loaded only when the command runs, so that the others start quickly. */
export interface CommandEntry {
  readonly summary: string
  load(): Promise<{ readonly command: Command }>
}
