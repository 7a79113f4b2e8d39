import { registerHooks } from 'node:module'
import { createInterface } from 'node:readline/promises'
import type { CommandContext } from './cli/command.ts'
import { dispatch } from './cli/dispatch.ts'
import { INTERRUPTED, statusOf } from './cli/status.ts'
import { person } from './host/openssh/person.ts'
import { Problem, problemsIn } from './problem.ts'
import { cards, defectCard } from './report/card.ts'
import { redactStream } from './report/redact-stream.ts'
import { askSecret } from './report/secret-prompt.ts'
import { neutralized } from './report/text.ts'
import { painter, type View } from './report/view.ts'

// A role or kind of a user that imports 'provision' or 'provision/kind' gets the modules of this process, wherever they are installed.
const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
const apiModules = new Map(
  Object.entries({ provision: 'index', 'provision/kind': 'kind' }).map(([specifier, name]) => [
    specifier,
    new URL(`./${name}.${extension}`, import.meta.url).href,
  ]),
)
registerHooks({
  resolve: (specifier, context, next) => {
    const url = apiModules.get(specifier)
    if (url !== undefined) return { url, shortCircuit: true }
    const resolved = next(specifier, context)
    // A role is an ES module also if the project's package.json has the type commonjs, as `npm init` writes it.
    return resolved.url.endsWith('.ts') ? { ...resolved, format: 'module-typescript' } : resolved
  },
})

const argv = process.argv.slice(2)
const { stdout, stderr, stdin, env } = process
// Everything that is printed is redacted, except secrets that the user asked for by name (`secrets view`).
const writeUnredacted = stdout.write.bind(stdout)
for (const stream of [stdout, stderr]) redactStream(stream)
// The activity display replaces the write functions; errors must be printed all the same.
const write = { out: stdout.write.bind(stdout), err: stderr.write.bind(stderr) }
const out = (text: string, done?: () => void): void => void write.out(neutralized(text), done)
const err = (text: string, done?: () => void): void => void write.err(neutralized(text), done)

// A closed pipe (`| head`) or a full disk does not stop a run.
for (const stream of [stdout, stderr]) stream.on('error', () => {})

const viewOf = (stream: NodeJS.WriteStream): View => ({
  paint: painter(stream.isTTY ? stream.hasColors() : env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== '0' && !env.NO_COLOR),
  columns: stream.columns > 0 ? stream.columns : Number.POSITIVE_INFINITY,
  verbose: false,
})

// Shows the cursor again, which the activity display hides.
if (stdout.isTTY) process.on('exit', () => out('\x1b[?25h'))

/** The first Ctrl-C lets the current step finish, the second ends the process. */
const stopping = new AbortController()
const stop = (): void => {
  if (stopping.signal.aborted) {
    const isRun = argv[0] === 'run' && !argv.includes('--dry-run')
    err(`\nStopped immediately.${isRun ? ' Run the same command again to apply the remaining changes.' : ''}\n`)
    process.exit(INTERRUPTED)
  }
  stopping.abort()
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop)

const workingDirectory = (): string => {
  try {
    return process.cwd()
  } catch (cause) {
    const where = { command: 'provision' }
    throw new Problem(
      { class: 'input', where, what: 'working directory was deleted', fix: 'change to the directory of your project' },
      { cause },
    )
  }
}

const createContext = (): CommandContext => ({
  directory: workingDirectory(),
  env,
  signal: stopping.signal,
  out: (text) => out(text),
  err: (text) => err(text),
  disclose: (text) => void writeUnredacted(text),
  ...(stdout.isTTY ? {} : { raw: (bytes: Uint8Array) => void writeUnredacted(bytes) }),
  view: viewOf(stdout),
  live: stdout.isTTY === true && env.TERM !== 'dumb' && !env.CI,
  rows: () => stdout.rows || 24,
  ...(stdin.isTTY && stderr.isTTY
    ? {
        ask: async (question) => {
          const terminal = createInterface({ input: stdin, output: stderr })
          // Without a listener, Ctrl-C would reject the question instead of aborting the command.
          terminal.on('SIGINT', stop)
          const ended = new Promise<string>((resolve) => terminal.once('close', () => resolve('')))
          const answered = terminal.question(question, { signal: stopping.signal })
          return await Promise.race([answered, ended]).finally(() => terminal.close())
        },
        askSecret: (question) => askSecret(stdin, stderr, question, stop),
      }
    : {}),
})

const main = async (): Promise<number> => {
  try {
    const context = createContext()
    const ask = context.askSecret
    if (ask !== undefined) person.present = { ask, show: async (line) => err(`${line}\n`) }
    const result = await dispatch(argv, context)
    if (typeof result === 'number') return result
    if (result.problems.length > 0) err(`\n${cards(result.problems, viewOf(stderr))}${debugged(result.problems.map(({ cause }) => cause))}`)
    return result.status
  } catch (error) {
    return fail(error)
  }
}

/** The stacks of errors, with `--debug`. */
const debugged = (errors: readonly unknown[]): string =>
  argv.includes('--debug') ? errors.map((error) => (error instanceof Error ? `${error.stack}\n` : '')).join('') : ''

const fail = (error: unknown): number => {
  const problems = problemsIn(error)
  const stack = debugged([error, ...(problems ?? []).map(({ cause }) => cause)])
  if (stopping.signal.aborted) {
    err(`${stack}Interrupted.\n`)
    return INTERRUPTED
  }
  err(problems === undefined ? defectCard(error, viewOf(stderr)) : cards(problems, viewOf(stderr)))
  err(stack)
  return problems === undefined ? 1 : statusOf(problems)
}

// Node would print a page of source code for these.
for (const event of ['uncaughtException', 'unhandledRejection'] as const) process.on(event, (error) => process.exit(fail(error)))

/** Returns the exit status, or a failure if the output could not be written. A closed pipe is not a failure. */
const withWriteErrors = (status: number): number => {
  const { code } = (stdout.errored ?? {}) as NodeJS.ErrnoException
  if (code === undefined || code === 'EPIPE') return status
  const what = `output could not be written completely (${code})`
  err(
    cards(
      [
        new Problem({
          class: 'task',
          where: { command: 'standard output' },
          what,
          fix: 'free space on its disk, then run the command again',
        }),
      ],
      viewOf(stderr),
    ),
  )
  return status === INTERRUPTED || status === 3 ? status : 1
}

// Node exits with 0 when its event loop is empty, even if `main` has not finished.
let status: number | undefined
process.on('exit', (code) => {
  if (status !== undefined || code !== 0) return
  err(defectCard(new Error('provision ended before the command was finished'), viewOf(stderr)))
  process.exitCode = 1
})

status = await main()
process.exitCode = status
// An open timer or socket does not delay the exit. All output is written first.
out('', () => {
  process.exitCode = withWriteErrors(status)
  err('', () => process.exit())
})
