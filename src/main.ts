import { registerHooks } from 'node:module'
import { createInterface } from 'node:readline/promises'
import type { Surroundings } from './cli/command.ts'
import { dispatch } from './cli/dispatch.ts'
import { INTERRUPTED, statusOf } from './cli/status.ts'
import { Problem, problemsIn } from './problem.ts'
import { cards, defectCard } from './report/card.ts'
import { redactStream } from './report/redact-stream.ts'
import { neutralized } from './report/text.ts'
import { painter, type View } from './report/view.ts'

// A user's role says `import … from 'provision'` and means the very modules that run here, wherever they are installed.
const face = new URL(import.meta.url.endsWith('.ts') ? './index.ts' : './index.js', import.meta.url).href
registerHooks({
  resolve: (specifier, context, next) => {
    if (specifier === 'provision') return { url: face, shortCircuit: true }
    const found = next(specifier, context)
    // It is a module whatever the project's package.json calls its files; `npm init` writes commonjs there.
    return found.url.endsWith('.ts') ? { ...found, format: 'module-typescript' } : found
  },
})

const argv = process.argv.slice(2)
const { stdout, stderr, stdin, env } = process
// Whatever is printed, by whomever, loses its secrets here. What was asked for by name (`secrets view`) goes another way.
const bare = stdout.write.bind(stdout)
for (const stream of [stdout, stderr]) redactStream(stream)
// Kept from before a moving display takes the streams over: what must be said arrives all the same.
const written = { out: stdout.write.bind(stdout), err: stderr.write.bind(stderr) }
const out = (text: string, done?: () => void): void => void written.out(neutralized(text), done)
const err = (text: string, done?: () => void): void => void written.err(neutralized(text), done)

// Who reads us may stop reading (`| head`), the disk may be full: a run goes on to its end all the same.
for (const stream of [stdout, stderr]) stream.on('error', () => {})

const viewOf = (stream: NodeJS.WriteStream): View => ({
  paint: painter(stream.isTTY ? stream.hasColors() : env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== '0' && !env.NO_COLOR),
  columns: stream.columns > 0 ? stream.columns : Number.POSITIVE_INFINITY,
  verbose: false,
})

// Whichever way we end, the cursor that a moving display has hidden comes back.
if (stdout.isTTY) process.on('exit', () => out('\x1b[?25h'))

/** The first Ctrl-C asks to finish the step at hand, the second ends the process. */
const stopping = new AbortController()
const stop = (): void => {
  if (stopping.signal.aborted) {
    err('\nStopped at once. The next run takes up what was left.\n')
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
      { class: 'input', where, what: 'the working directory is gone', fix: 'go to the directory of your project' },
      { cause },
    )
  }
}

const surroundings = (): Surroundings => ({
  directory: workingDirectory(),
  env,
  signal: stopping.signal,
  out: (text) => out(text),
  err: (text) => err(text),
  disclose: (text) => void bare(text),
  view: viewOf(stdout),
  live: stdout.isTTY === true && env.TERM !== 'dumb' && !env.CI,
  rows: () => stdout.rows || 24,
  ...(stdin.isTTY && stderr.isTTY
    ? {
        ask: async (question) => {
          const asking = createInterface({ input: stdin, output: stderr })
          return await asking.question(question, { signal: stopping.signal }).finally(() => asking.close())
        },
      }
    : {}),
})

const main = async (): Promise<number> => {
  try {
    const ended = await dispatch(argv, surroundings())
    if (typeof ended === 'number') return ended
    if (ended.problems.length > 0) err(`\n${cards(ended.problems, viewOf(stderr))}`)
    return ended.status
  } catch (error) {
    return fail(error)
  }
}

const fail = (error: unknown): number => {
  const stack = argv.includes('--debug') && error instanceof Error ? `${error.stack}\n` : ''
  const problems = problemsIn(error)
  if (stopping.signal.aborted) {
    err(`${stack}Interrupted.\n`)
    return INTERRUPTED
  }
  err(problems === undefined ? defectCard(error, viewOf(stderr)) : cards(problems, viewOf(stderr)))
  err(stack)
  return problems === undefined ? 1 : statusOf(problems)
}

// What nobody awaited is a defect too, and never a page of our own source.
for (const event of ['uncaughtException', 'unhandledRejection'] as const) process.on(event, (error) => process.exit(fail(error)))

/** What was done is done; but whoever was to read of it must not take silence for success. */
const withUnwritten = (status: number): number => {
  const { code } = (stdout.errored ?? {}) as NodeJS.ErrnoException
  if (code === undefined || code === 'EPIPE') return status
  const what = `not all that was to be said could be written (${code})`
  err(cards([new Problem({ class: 'task', where: { command: 'standard output' }, what, fix: 'make room for it' })], viewOf(stderr)))
  return status === INTERRUPTED || status === 3 ? status : 1
}

// Where nothing is left to wait for, Node ends with 0: what was not done must not pass for done.
let status: number | undefined
process.on('exit', (code) => {
  if (status !== undefined || code !== 0) return
  err(defectCard(new Error('it ended before its work was done'), viewOf(stderr)))
  process.exitCode = 1
})

status = await main()
process.exitCode = status
// Nothing that is still open (a timer, a half-closed socket) may hold up whoever waits for us; what was written arrives first.
out('', () => {
  process.exitCode = withUnwritten(status)
  err('', () => process.exit())
})
