import { flowTable } from '../report/flows.ts'
import { jsonLine } from '../report/json-line.ts'
import { table } from '../report/table.ts'
import { inLine } from '../report/text.ts'
import type { View } from '../report/view.ts'
import { describeInventory, describeVariables } from '../site/describe.ts'
import type { Host } from '../site/inventory/host.ts'
import type { Site } from '../site/site.ts'
import { suggestion } from '../site/source/suggest.ts'
import { type Arguments, defineCommand, type Ended, type Options, type Surroundings } from './command.ts'
import { inventoryOption } from './options.ts'
import { wrong } from './parse.ts'
import { loadHosts, warn } from './site.ts'

const options = {
  ...inventoryOption,
  graph: { type: 'boolean', help: 'groups and the hosts in them' },
  flows: {
    type: 'boolean',
    help: 'who may come to which port of which host, and whether encrypted, by what the roles of the playbook say',
  },
  json: { type: 'boolean', help: 'one JSON object' },
} as const satisfies Options

type Given = Arguments<typeof options>

/** `provision inventory`: what was understood of it. */
export const command = defineCommand({
  usage: ['inventory [--graph] [--json]', 'inventory --flows [PLAYBOOK...] [--json]', 'inventory host NAME [--json]'],
  options,
  notes: ['`inventory host NAME` shows the variables of a host, and where each of them was written.'],
  run: async (given, surroundings) => {
    const { values, positionals } = given
    if (values.graph && values.flows) throw wrong('inventory', '--graph and --flows are two questions', 'ask one of them')
    if (positionals[0] === 'host' && (values.graph || values.flows))
      throw wrong('inventory host', 'it shows one host, not groups or flows', 'ask one of them')
    if (values.flows) return showFlows(given, surroundings)
    const site = await loadHosts(values.inventory, surroundings)
    const [word, name, ...more] = positionals
    if (word !== undefined && (word !== 'host' || name === undefined || more.length > 0)) {
      throw wrong('inventory', `it knows no ${positionals.join(' ')}`, 'write provision inventory host NAME')
    }
    const { out, view } = surroundings
    if (name !== undefined) return showHost(site, name, values.json ?? false, surroundings)
    if (values.json) out(jsonLine(describeInventory(site)))
    else out(values.graph ? graph(site, view) : hostTable(site, view))
    return 0
  },
})

const showHost = (site: Site, name: string, json: boolean, { out, view }: Surroundings): Ended => {
  const host = site.hosts.get(name)
  if (host === undefined)
    throw wrong('inventory host', `there is no host ${name}`, suggestion(name, site.hosts.keys(), 'name one of the hosts'))
  if (json) out(jsonLine({ [name]: describeInventory(site).hosts[name] }))
  else out(hostPage(host, view))
  return 0
}

const showFlows = async ({ values, positionals }: Given, surroundings: Surroundings): Promise<Ended> => {
  const { directory, env, out, view } = surroundings
  const { understand } = await import('../engine/prepare.ts')
  const { bindings, site, warnings } = await understand({
    root: directory,
    env,
    ...(values.inventory === undefined ? {} : { inventory: values.inventory }),
    ...(positionals.length === 0 ? {} : { playbooks: positionals }),
  })
  warn(warnings, surroundings)
  const filtered = new Set(bindings.bound.filter(({ role }) => role.name === 'firewall').map(({ host }) => host))
  const unfiltered = [...site.hosts.keys()].filter((host) => !filtered.has(host))
  if (values.json) out(jsonLine({ flows: bindings.flows, unfiltered }))
  else out(flowTable(bindings.flows, unfiltered, new Map([['all', [...site.hosts.keys()]], ...site.groups]), view))
  return 0
}

const hostTable = ({ hosts }: Site, { paint }: View): string =>
  table(
    ['host', 'address', 'user', 'groups'],
    [...hosts.values()].map(({ name, connection: { address, port, user }, groups }) => [
      name,
      port === 22 ? address : `${address} port ${port}`,
      user,
      groups.join(' '),
    ]),
    paint,
  )

const graph = ({ hosts, groups }: Site, { paint }: View): string => {
  const grouped = new Set([...groups.values()].flat())
  const loose = [...hosts.keys()].filter((name) => !grouped.has(name))
  const branches = [...groups, ...(loose.length === 0 ? [] : [['(in no group)', loose] as const])]
  const lines = branches.flatMap(([name, members]) => [
    `  ${paint.cyan(name)}`,
    ...members.map((member, i) => `  ${paint.dim(i === members.length - 1 ? '└─' : '├─')} ${inLine(member)}`),
  ])
  return `${[paint.bold('all'), ...lines].join('\n')}\n`
}

const hostPage = (host: Host, { paint }: View): string => {
  const { address, port, user, keys, jump } = host.connection
  const facts = [
    ['reached at', `${user}@${address} port ${port}${jump.length === 0 ? '' : ` through ${jump.join(', ')}`}`],
    ['keys', keys.length === 0 ? "the agent's, and ssh's own" : keys.join(' ')],
    ['addresses', host.addresses.join(' ')],
    ...(host.publicAddresses.join() === host.addresses.join() ? [] : [['public', host.publicAddresses.join(' ')]]),
    ['groups', host.groups.join(' ') || 'none'],
  ]
  const head = facts.map(([name = '', value = '']) => `  ${name.padEnd(10)}  ${inLine(value)}`)
  const variables = describeVariables(host).map(({ name, value, origin, where }) => [
    name,
    typeof value === 'string' ? value : JSON.stringify(value),
    origin,
    where,
  ])
  return `${[paint.bold(host.name), ...head].join('\n')}\n${variables.length === 0 ? '' : `\n${table(['variable', 'value', 'from', 'written in'], variables, paint)}`}`
}
