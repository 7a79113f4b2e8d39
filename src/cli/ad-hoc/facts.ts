import { openSession } from '../../engine/observe/session.ts'
import { resolveTarget } from '../../host/target/target.ts'
import { type Problem, problemsIn } from '../../problem.ts'
import { jsonLine } from '../../report/json-line.ts'
import { inLine, pad, width } from '../../report/text.ts'
import type { Facts } from '../../role/role.ts'
import type { Host } from '../../site/inventory/host.ts'
import { type CommandContext, defineCommand, type Options } from '../command.ts'
import { inventoryOption } from '../options.ts'
import { usageError } from '../parse.ts'
import { hostsOf, loadHosts } from '../site.ts'
import { INTERRUPTED, statusOf } from '../status.ts'

const options = {
  ...inventoryOption,
  json: { type: 'boolean', help: 'print one JSON object per host' },
} as const satisfies Options

/** `provision facts`: shows what hosts report of themselves, as `facts.NAME` in YAML and roles read it. */
export const command = defineCommand({
  usage: ['facts [PATTERN] [--json]'],
  options,
  notes: [`The default pattern is all. Resources in YAML read a fact as \${facts.NAME}.`],
  run: async ({ positionals: [pattern = 'all', ...more], values }, context) => {
    if (more.length > 0) throw usageError('facts', `unexpected argument ${more.join(' ')}`, 'write one pattern, for example web,lb-01')
    const hosts = hostsOf(await loadHosts(values.inventory, context), pattern, `facts ${pattern}`)
    const answers = await Promise.all(hosts.map((host) => factsOf(host, context)))
    const { out, signal } = context
    const found = answers.flatMap((answer) => ('facts' in answer ? [answer] : []))
    for (const { host, facts } of found) out(values.json ? jsonLine({ host, facts }) : factsPage(host, facts, context))
    const problems = answers.flatMap((answer) => ('problems' in answer ? answer.problems : []))
    return { status: signal.aborted ? INTERRUPTED : statusOf(problems), problems }
  },
})

type Answer = { readonly host: string; readonly facts: Facts } | { readonly problems: readonly Problem[] }

/** Takes no lock, and changes nothing. */
const factsOf = async (host: Host, { signal }: CommandContext): Promise<Answer> => {
  try {
    const target = await resolveTarget(host.name, host.connection)
    const session = await openSession(target, { listen: () => undefined, signal, lock: undefined, wait: false })
    await session.shell.close()
    return { host: host.name, facts: session.facts }
  } catch (error) {
    const problems = problemsIn(error)
    if (problems === undefined && !signal.aborted) throw error
    return { problems: problems ?? [] }
  }
}

/** Returns the name of a host, and a line for each fact: lists and maps as YAML writes them. */
export const factsPage = (host: string, facts: Facts, { view: { paint } }: Pick<CommandContext, 'view'>): string => {
  const entries = Object.entries(facts)
  const widest = Math.max(...entries.map(([name]) => width(name)))
  const lines = entries.map(([name, value]) => `  ${pad(name, widest)}  ${inLine(valueText(value))}\n`)
  return `${paint.bold(host)}\n${lines.join('')}`
}

const valueText = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(valueText).join(', ')}]`
  if (typeof value !== 'object' || value === null) return String(value)
  return `{ ${Object.entries(value)
    .map(([key, inner]) => `${key}: ${valueText(inner)}`)
    .join(', ')} }`
}
