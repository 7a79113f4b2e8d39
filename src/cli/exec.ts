import { StringDecoder } from 'node:string_decoder'
import { execOn } from '../host/shell/exec.ts'
import { Lines } from '../host/shell/lines.ts'
import { resolveTarget } from '../host/target/target.ts'
import { type Problem, problemsIn } from '../problem.ts'
import { pad, visible, width } from '../report/text.ts'
import { bytesRedactor, redactor } from '../secret/secret.ts'
import { commandLine } from '../shell/quote.ts'
import type { Host } from '../site/inventory/host.ts'
import { type CommandContext, defineCommand, type Options } from './command.ts'
import { inventoryOption } from './options.ts'
import { usageError } from './parse.ts'
import { hostsOf, loadHosts } from './site.ts'
import { INTERRUPTED, statusOf } from './status.ts'

const options = {
  ...inventoryOption,
  sudo: { type: 'boolean', help: 'run the command as root' },
} as const satisfies Options

/** `provision exec`: runs a command on hosts in parallel. */
export const command = defineCommand({
  usage: ['exec PATTERN [--sudo] -- COMMAND'],
  takesCommand: true,
  options,
  notes: [
    'PATTERN selects hosts and groups: web-01, web:!web-02, lb-*, all.',
    'A single word is a shell command and may contain pipes. Several words are a command and its arguments, passed without changes.',
    'Output of one host to a file or a pipe is passed on byte for byte, with secrets masked.',
  ],
  run: async ({ positionals: [pattern, ...more], rest, values }, context) => {
    if (pattern === undefined)
      throw usageError('exec', 'no host pattern is given', 'name hosts or a group, for example provision exec web -- uptime')
    if (more.length > 0 || rest.length === 0) {
      const sudo = values.sudo ? ' --sudo' : ''
      throw usageError('exec', 'no command follows --', `write provision exec ${pattern}${sudo} -- ${commandLine(...more) || 'uptime'}`)
    }
    const hosts = hostsOf(await loadHosts(values.inventory, context), pattern, `exec ${pattern}`)
    const commandText = rest.length === 1 ? (rest[0] ?? '') : commandLine(...rest)

    const outcomes = await Promise.all(hosts.map((host) => execute(host, { commandText, sudo: values.sudo ?? false, hosts }, context)))
    const problems = outcomes.flatMap((outcome) => (typeof outcome === 'number' ? [] : outcome))
    const hasFailed = outcomes.some((outcome) => typeof outcome === 'number' && outcome !== 0)
    const status = hasFailed ? 1 : statusOf(problems)
    return { status: context.signal.aborted ? INTERRUPTED : status, problems }
  },
})

interface Execution {
  readonly commandText: string
  readonly sudo: boolean
  readonly hosts: readonly Host[]
}

/** Returns the exit status of the command on a host, or the problems. Prints output line by line, with the host's name if there are several hosts. */
const execute = async (
  host: Host,
  { commandText, sudo, hosts }: Execution,
  { out, err, raw, view, signal }: CommandContext,
): Promise<number | readonly Problem[]> => {
  const longest = Math.max(...hosts.map(({ name }) => width(name)))
  const prefix = hosts.length === 1 ? '' : `${view.paint.cyan(pad(host.name, longest))}  `
  // Parts of a long line are joined again if no other host can print between them.
  const ending = (continues: boolean): string => (continues && hosts.length === 1 ? '' : '\n')
  const stdout =
    raw !== undefined && hosts.length === 1
      ? bytesOf(raw)
      : linesOf((line, continues) => out(`${prefix}${visible(line)}${ending(continues)}`))
  const stderr = linesOf((line, continues) => err(`${prefix}${visible(line)}${ending(continues)}`))
  try {
    const code = await execOn(await resolveTarget(host.name, host.connection), commandText, {
      sudo,
      signal,
      onStdout: stdout.push,
      onStderr: stderr.push,
    })
    stdout.end()
    stderr.end()
    if (code !== 0) err(`${prefix}${view.paint.red(`exit ${code}`)}\n`)
    return code
  } catch (error) {
    const problems = problemsIn(error)
    if (problems === undefined && !signal.aborted) throw error
    return problems ?? []
  }
}

/** Passes bytes on as they are, with secrets masked: a program may read them. */
export const bytesOf = (print: (bytes: Uint8Array) => void) => {
  const redacting = bytesRedactor()
  return {
    push: (chunk: Buffer): void => print(redacting.push(chunk)),
    end: (): void => print(redacting.end()),
  }
}

/**
 * Splits chunks of bytes into lines. Bytes are decoded and secrets masked before the text is split: a secret may span two parts of a
 * long line.
 */
export const linesOf = (print: (line: string, continues: boolean) => void) => {
  const decoder = new StringDecoder('utf8')
  const redacting = redactor()
  const lines = new Lines(print)
  return {
    push: (chunk: Buffer): void => lines.push(redacting.push(decoder.write(chunk))),
    end: (): void => {
      lines.push(redacting.push(decoder.end()) + redacting.end())
      lines.end()
    },
  }
}
