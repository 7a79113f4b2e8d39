import { flowTable } from '../report/flows.ts'
import { jsonLine } from '../report/json-line.ts'
import { table, tableWidth } from '../report/table.ts'
import { inLine, wrapWords } from '../report/text.ts'
import type { View } from '../report/view.ts'
import { describeInventory, describeVariables } from '../site/describe.ts'
import type { Host } from '../site/inventory/host.ts'
import type { Site } from '../site/site.ts'
import { suggestion } from '../site/source/suggest.ts'
import { type Arguments, type CommandContext, type CommandResult, defineCommand, type Options } from './command.ts'
import { inventoryOption } from './options.ts'
import { usageError } from './parse.ts'
import { loadHosts, warn } from './site.ts'

const options = {
  ...inventoryOption,
  graph: { type: 'boolean', help: 'show groups as a tree' },
  flows: {
    type: 'boolean',
    help: 'show which hosts may connect to which ports, as the roles of the playbook declare it',
  },
  json: { type: 'boolean', help: 'print one JSON object' },
} as const satisfies Options

type Given = Arguments<typeof options>

/** `provision inventory`: shows the inventory as provision reads it. */
export const command = defineCommand({
  usage: ['inventory [--graph] [--json]', 'inventory --flows [PLAYBOOK...] [--json]', 'inventory host NAME [--json]'],
  options,
  notes: ['`provision inventory host NAME` shows the variables of a host and where each is set.'],
  run: async (given, context) => {
    const { values, positionals } = given
    if (values.graph && values.flows) throw usageError('inventory', '--graph conflicts with --flows', 'remove one of them')
    if (positionals[0] === 'host' && (values.graph || values.flows))
      throw usageError('inventory host', '--graph and --flows do not apply to one host', 'remove the option')
    if (values.flows) return showFlows(given, context)
    const site = await loadHosts(values.inventory, context)
    const [topic, name, ...more] = positionals
    if (topic === 'host' && name === undefined)
      throw usageError('inventory host', 'no host is given', 'write provision inventory host NAME')
    if (topic !== undefined && (topic !== 'host' || more.length > 0)) {
      throw usageError(
        'inventory',
        `unexpected argument ${topic === 'host' ? more.join(' ') : topic}`,
        'write provision inventory host NAME',
      )
    }
    const { out, view } = context
    if (name !== undefined) return showHost(site, name, values.json ?? false, context)
    if (values.json) out(jsonLine(describeInventory(site)))
    else out(values.graph ? graph(site, view) : hostTable(site, view))
    return 0
  },
})

const showHost = (site: Site, name: string, json: boolean, { out, view }: CommandContext): CommandResult => {
  const host = site.hosts.get(name)
  if (host === undefined)
    throw usageError('inventory host', `unknown host ${name}`, suggestion(name, site.hosts.keys(), 'use a host of the inventory'))
  if (json) out(jsonLine({ [name]: describeInventory(site).hosts[name] }))
  else out(hostPage(host, view))
  return 0
}

const showFlows = async ({ values, positionals }: Given, context: CommandContext): Promise<CommandResult> => {
  const { directory, env, out, view } = context
  const { readSite } = await import('../engine/prepare.ts')
  const { bindings, site, warnings } = await readSite({
    root: directory,
    env,
    ...(values.inventory === undefined ? {} : { inventory: values.inventory }),
    ...(positionals.length === 0 ? {} : { playbooks: positionals }),
  })
  warn(warnings, context)
  const unfiltered = (await import('../role/flows.ts')).unfilteredHosts(site, bindings.bound)
  if (values.json) out(jsonLine({ flows: bindings.flows, unfiltered }))
  else out(flowTable(bindings.flows, unfiltered, new Map([['all', [...site.hosts.keys()]], ...site.groups]), view))
  return 0
}

const hostTable = ({ hosts }: Site, { paint }: View): string =>
  table(
    ['host', 'address', 'user', 'groups'],
    [...hosts.values()].map(({ name, connection: { address, port, user, transport }, groups }) => [
      name,
      transport === 'local' ? 'this machine' : port === 22 ? address : `${address} port ${port}`,
      user,
      groups.join(' '),
    ]),
    paint,
  )

const graph = ({ hosts, groups }: Site, { paint }: View): string => {
  const grouped = new Set([...groups.values()].flat())
  const ungrouped = [...hosts.keys()].filter((name) => !grouped.has(name))
  const branches = [...groups, ...(ungrouped.length === 0 ? [] : [['(in no group)', ungrouped] as const])]
  const lines = branches.flatMap(([name, members]) => [
    `  ${paint.cyan(name)}`,
    ...members.map((member, i) => `  ${paint.dim(i === members.length - 1 ? '└─' : '├─')} ${inLine(member)}`),
  ])
  return `${[paint.bold('all'), ...lines].join('\n')}\n`
}

const hostPage = (host: Host, view: View): string => {
  const { paint, columns } = view
  const { address, port, user, keys, jump, transport } = host.connection
  const isLocal = transport === 'local'
  const properties = [
    [
      'connection',
      isLocal ? `this machine, as ${user}` : `${user}@${address} port ${port}${jump.length === 0 ? '' : ` through ${jump.join(', ')}`}`,
    ],
    ...(transport === undefined || isLocal ? [] : [['transport', transport]]),
    ['keys', isLocal ? 'none' : keys.length === 0 ? 'SSH agent and default key files' : keys.join(' ')],
    ['addresses', host.addresses.join(' ') || 'none'],
    ...(host.publicAddresses.join() === host.addresses.join() ? [] : [['public', host.publicAddresses.join(' ')]]),
    ['groups', host.groups.join(' ') || 'none'],
  ]
  const head = properties.flatMap(([name = '', value = '']) =>
    wrapWords(inLine(value), columns - 14).map((line, i) => `  ${(i === 0 ? name : '').padEnd(10)}  ${line}`),
  )
  const variables = describeVariables(host).map(({ name, value, origin, where }) => [
    name,
    typeof value === 'string' ? value : JSON.stringify(value),
    origin,
    where,
  ])
  return `${[paint.bold(host.name), ...head].join('\n')}\n${variables.length === 0 ? '' : `\n${variableTable(variables, view)}`}`
}

const VARIABLE_HEAD = ['variable', 'value', 'from', 'set in']

/** A table if it fits the screen; otherwise the name and the value of each variable, with its origin below. */
const variableTable = (rows: readonly (readonly string[])[], { paint, columns }: View): string => {
  if (tableWidth(VARIABLE_HEAD, rows) <= columns) return table(VARIABLE_HEAD, rows, paint)
  const lines = rows.flatMap(([name = '', value = '', origin = '', where = '']) => [
    ...wrapWords(inLine(`${name}: ${value}`), columns - 2).map((line, i) => `${i === 0 ? '' : '  '}${line}`),
    ...wrapWords(inLine(`${origin}, ${where}`), columns - 4).map((line) => `    ${paint.dim(line)}`),
  ])
  return `${lines.join('\n')}\n`
}
