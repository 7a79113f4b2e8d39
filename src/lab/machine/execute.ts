import { spawn } from 'node:child_process'
import { lastLines, Problem } from '../../problem.ts'

/** Runs a command on this machine and returns its output. Throws a problem with the end of its output if it fails. */
export const execute = (
  argv: readonly string[],
  options: { readonly input?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<string> =>
  new Promise((resolve, reject) => {
    const [command = '', ...args] = argv
    const child = spawn(command, args, { env: { ...process.env, LC_ALL: 'C', ...options.env } })
    const out: Buffer[] = []
    const err: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
    // A command that ends without reading its input causes EPIPE; only its exit status counts.
    child.stdin.on('error', () => {})
    child.stdin.end(options.input ?? '')
    child.on('error', (error) => reject(failed(argv, error.message)))
    child.on('close', (status, signal) =>
      status === 0
        ? resolve(Buffer.concat(out).toString())
        : reject(failed(argv, `${signal ?? `exit ${status}`}\n${lastLines(Buffer.concat([...err, ...out]).toString(), 15)}`)),
    )
  })

/** Whether the command exits with 0. */
export const succeeds = (argv: readonly string[]): Promise<boolean> =>
  execute(argv).then(
    () => true,
    () => false,
  )

const failed = (argv: readonly string[], why: string) =>
  new Problem({
    class: 'task',
    where: { command: argv.join(' ').split('\n', 1).join('').slice(0, 200) },
    what: 'command failed on this machine',
    why: why.trim(),
    fix: 'correct the reported cause, or rebuild the lab: provision lab down, then provision lab up',
  })
