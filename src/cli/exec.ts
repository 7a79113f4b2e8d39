import { StringDecoder } from 'node:string_decoder'
import { execOn } from '../host/shell/exec.ts'
import { Lines } from '../host/shell/lines.ts'
import { resolveTarget } from '../host/target/target.ts'
import { type Problem, problemsIn } from '../problem.ts'
import { pad, visible, width } from '../report/text.ts'
import { redactor } from '../secret/secret.ts'
import { commandLine } from '../shell/quote.ts'
import type { Host } from '../site/inventory/host.ts'
import { defineCommand, type Options, type Surroundings } from './command.ts'
import { inventoryOption } from './options.ts'
import { wrong } from './parse.ts'
import { hostsOf, loadHosts } from './site.ts'
import { INTERRUPTED, statusOf } from './status.ts'

const options = {
  ...inventoryOption,
  sudo: { type: 'boolean', help: 'run it as root' },
} as const satisfies Options

/** `provision exec`: one command on many hosts at once. */
export const command = defineCommand({
  usage: ['exec PATTERN [--sudo] -- COMMAND'],
  passesOn: true,
  options,
  notes: [
    'PATTERN names hosts and groups: web-01, web:!web-02, lb-*, all.',
    'One word is a shell command of its own, pipes and all; several words are a command and its arguments, exactly as they stand.',
  ],
  run: async ({ positionals: [pattern, ...more], rest, values }, surroundings) => {
    if (pattern === undefined) throw wrong('exec', 'it needs a pattern of hosts', 'write provision exec web -- uptime')
    if (more.length > 0 || rest.length === 0) {
      const sudo = values.sudo ? ' --sudo' : ''
      throw wrong('exec', 'the command stands behind --', `write provision exec ${pattern}${sudo} -- ${commandLine(...more) || 'uptime'}`)
    }
    const hosts = hostsOf(await loadHosts(values.inventory, surroundings), pattern, `exec ${pattern}`)
    const words = rest.length === 1 ? (rest[0] ?? '') : commandLine(...rest)

    const outcomes = await Promise.all(hosts.map((host) => execute(host, { words, sudo: values.sudo ?? false, hosts }, surroundings)))
    const problems = outcomes.flatMap((outcome) => (typeof outcome === 'number' ? [] : outcome))
    const refused = outcomes.some((outcome) => typeof outcome === 'number' && outcome !== 0)
    const status = refused ? 1 : statusOf(problems)
    return { status: surroundings.signal.aborted ? INTERRUPTED : status, problems }
  },
})

/** Its exit status, or why there is none. What it says comes line by line, under its host's name where there are several. */
const execute = async (
  host: Host,
  { words, sudo, hosts }: { readonly words: string; readonly sudo: boolean; readonly hosts: readonly Host[] },
  { out, err, view, signal }: Surroundings,
): Promise<number | readonly Problem[]> => {
  const longest = Math.max(...hosts.map(({ name }) => width(name)))
  const prefix = hosts.length === 1 ? '' : `${view.paint.cyan(pad(host.name, longest))}  `
  // The parts of a long line are put together again where no other host can speak in between.
  const ending = (goesOn: boolean): string => (goesOn && hosts.length === 1 ? '' : '\n')
  const said = linesOf((line, goesOn) => out(`${prefix}${visible(line)}${ending(goesOn)}`))
  const complained = linesOf((line, goesOn) => err(`${prefix}${visible(line)}${ending(goesOn)}`))
  try {
    const code = await execOn(await resolveTarget(host.name, host.connection), words, {
      sudo,
      signal,
      onStdout: said.hear,
      onStderr: complained.hear,
    })
    said.end()
    complained.end()
    if (code !== 0) err(`${prefix}${view.paint.red(`exit ${code}`)}\n`)
    return code
  } catch (error) {
    const problems = problemsIn(error)
    if (problems === undefined && !signal.aborted) throw error
    return problems ?? []
  }
}

/**
 * Lines out of chunks of bytes. Characters are put together before they are read, and secrets are masked before the text is cut, for
 * nobody could find one of which each half is in another part of a long line, or on a line with other words before it.
 */
export const linesOf = (tell: (line: string, goesOn: boolean) => void) => {
  const decoder = new StringDecoder('utf8')
  const redacting = redactor()
  const cut = new Lines(tell)
  return {
    hear: (chunk: Buffer): void => cut.push(redacting.push(decoder.write(chunk))),
    end: (): void => {
      cut.push(redacting.push(decoder.end()) + redacting.end())
      cut.end()
    },
  }
}
