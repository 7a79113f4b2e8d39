import type { Problem } from '../../problem.ts'
import { ansibleHint, isNothing, keepValid } from '../schema/keep-valid.ts'
import { groupNameFault, hostNameFault } from '../schema/names.ts'
import { CONNECTION_SETTINGS, groupSchema, hostSchema, inventorySchema, PLACE_SETTINGS } from '../schema/settings.ts'
import { complaint, type Place } from '../source/complaint.ts'
import { entriesOf, entryOf, stamped, type Written, type WrittenEntry, type WrittenMap } from '../source/source-map.ts'
import { mergeMaps } from './merge.ts'
import { emptyMap, normalised, type VarsReader } from './vars.ts'

/** A host as its own lines describe it. */
export interface HostDraft {
  readonly name: string
  readonly place: Place
  /** Its address, internal and public addresses. */
  readonly where: WrittenMap
  /** Its connection settings and variables, the highest level of all. */
  readonly vars: WrittenMap
}

export interface GroupDraft {
  readonly name: string
  readonly place: Place
  readonly hosts: readonly Mention[]
  readonly children: readonly Mention[]
  readonly vars: WrittenMap
}

/** A name somebody wrote down somewhere. */
export interface Mention {
  readonly name: string
  readonly place: Place
}

/** All inventory files together, checked one by one but not yet against each other. */
export interface Inventory {
  readonly all: WrittenMap
  readonly hosts: ReadonlyMap<string, HostDraft>
  readonly groups: ReadonlyMap<string, GroupDraft>
  /** Whether the lists of hosts and groups could be read, so that unknown names can be told from unread ones. */
  readonly whole: boolean
}

/** Unites inventory files. Their order does not matter: what two of them set differently is an error. */
export const readInventory = (roots: readonly Written[], readVars: VarsReader, problems: Problem[]): Inventory => {
  let all = emptyMap
  const hosts = new Map<string, HostDraft>()
  const groups = new Map<string, GroupDraft>()
  let whole = true
  for (const root of roots) {
    const before = problems.length
    const file = keepValid(root, { whatFor: 'the inventory', schema: inventorySchema, hint: topHint }, problems)
    whole &&= problems.length === before
    all = united(all, stamped(readVars(entryOf(file, 'vars'), 'the variables of all hosts'), 'all'), problems)
    for (const [name, entry] of entriesOf(entryOf(file, 'hosts')?.node)) {
      const before = hosts.get(name)
      if (before !== undefined) problems.push(twice(`host \`${name}\``, entry.key, before.place))
      else hosts.set(name, readHost(name, entry, readVars, problems))
    }
    for (const [name, entry] of entriesOf(entryOf(file, 'groups')?.node)) {
      const group = readGroup(name, entry, readVars, problems)
      const before = groups.get(name)
      groups.set(name, before === undefined ? group : unitedGroup(before, group, problems))
    }
  }
  for (const { name, place } of groups.values()) {
    const host = hosts.get(name)
    if (host !== undefined)
      problems.push(
        complaint(
          place,
          `\`${name}\` is a group and a host`,
          'rename one of them: a pattern could mean either',
          `the host is in ${host.place.file}:${host.place.line}`,
        ),
      )
  }
  return { all, hosts, groups, whole }
}

const readHost = (name: string, { key: place, node }: WrittenEntry, readVars: VarsReader, problems: Problem[]): HostDraft => {
  const fault = hostNameFault(name)
  if (fault !== undefined) problems.push(complaint(place, fault.what, fault.fix))
  const whatFor = `host ${name}`
  const body = keepValid(node, { whatFor, schema: hostSchema, hint: (key) => ansibleHint(key) ?? readVars.roleHint(key) }, problems)
  const direct = normalised(pick(body, CONNECTION_SETTINGS), problems)
  const vars = readVars(entryOf(body, 'vars'), `the variables of ${whatFor}`)
  for (const [key, entry] of direct.entries) {
    const other = vars.entries.get(key)
    if (other !== undefined) problems.push(twice(`\`${key}\` of ${whatFor}`, other.key, entry.key))
  }
  return { name, place, where: pick(body, PLACE_SETTINGS), vars: stamped(mergeMaps(vars, direct), whatFor) as WrittenMap }
}

const readGroup = (name: string, { key: place, node }: WrittenEntry, readVars: VarsReader, problems: Problem[]): GroupDraft => {
  const fault = groupNameFault(name)
  if (fault !== undefined) problems.push(complaint(place, fault.what, fault.fix))
  const body = keepValid(
    node,
    {
      whatFor: `group ${name}`,
      schema: groupSchema,
      hint: (key) => readVars.roleHint(key) ?? (CONNECTION_SETTINGS.has(key) ? 'write it under `vars` of the group' : undefined),
    },
    problems,
  )
  const mentions = (key: string): readonly Mention[] => {
    const list = entryOf(body, key)?.node
    return list?.is === 'list'
      ? list.items.flatMap((item) => (item.is === 'scalar' ? [{ name: String(item.value), place: item.place }] : []))
      : []
  }
  const vars = readVars(entryOf(body, 'vars'), `the variables of group ${name}`)
  return { name, place, hosts: mentions('hosts'), children: mentions('children'), vars: stamped(vars, `group ${name}`) as WrittenMap }
}

const unitedGroup = (one: GroupDraft, other: GroupDraft, problems: Problem[]): GroupDraft => ({
  ...one,
  hosts: [...one.hosts, ...other.hosts],
  children: [...one.children, ...other.children],
  vars: united(one.vars, other.vars, problems),
})

/** Two maps of one level, from two files: they may add to each other, not contradict. */
const united = (one: WrittenMap, other: Written, problems: Problem[]): WrittenMap => {
  if (other.is !== 'map') return one
  problems.push(...contradictions(one, other))
  return mergeMaps(one, other)
}

const contradictions = (one: WrittenMap, other: WrittenMap): readonly Problem[] =>
  [...other.entries].flatMap(([key, entry]) => {
    const before = one.entries.get(key)
    if (before === undefined) return []
    if (before.node.is === 'map' && entry.node.is === 'map') return contradictions(before.node, entry.node)
    return [twice(`\`${key}\``, entry.key, before.key)]
  })

const twice = (what: string, place: Place, first: Place): Problem =>
  complaint(
    place,
    `${what} is written twice`,
    first.file === place.file ? 'keep one of the two' : 'keep one of the two, or choose one inventory with -i',
    `the first is ${first.file === place.file ? `in line ${first.line}` : `at ${first.file}:${first.line}`}`,
  )

const pick = (node: WrittenMap, keys: ReadonlySet<string>): WrittenMap => ({
  ...node,
  entries: new Map([...node.entries].filter(([key, entry]) => keys.has(key) && !isNothing(entry.node))),
})

const topHint = (key: string): string | undefined =>
  key === 'all' || key === 'children'
    ? 'this looks like Ansible’s inventory: write `vars`, `hosts` and `groups` at the top of the file'
    : undefined
