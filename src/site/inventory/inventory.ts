import type { Problem } from '../../problem.ts'
import { shownName } from '../../shown-name.ts'
import { ansibleHint, isNothing, keepValid } from '../schema/keep-valid.ts'
import { groupNameProblem, hostNameProblem } from '../schema/names.ts'
import { ADDRESS_SETTINGS, groupSchema, HOST_SETTINGS, hostSchema, inventorySchema } from '../schema/settings.ts'
import { inputProblem, type Place } from '../source/input-problem.ts'
import { entriesOf, entryOf, type SourceEntry, type SourceMap, type SourceNode, withOrigin } from '../source/source-map.ts'
import { mergeMaps } from './merge.ts'
import { emptyMap, normalizeSettings, type VarsReader, withoutCustom } from './vars.ts'

/** The entry of a host, without the variables of its groups. */
export interface HostDraft {
  readonly name: string
  readonly place: Place
  /** Its address, internal and public addresses. */
  readonly where: SourceMap
  /** Connection settings and variables of the host itself: the level with the highest precedence. */
  readonly vars: SourceMap
}

export interface GroupDraft {
  readonly name: string
  readonly place: Place
  readonly hosts: readonly NameReference[]
  readonly children: readonly NameReference[]
  readonly vars: SourceMap
}

/** A name of a host or group, and its source position. */
export interface NameReference {
  readonly name: string
  readonly place: Place
}

/** All inventory files merged. Each is checked, references between them are not yet. */
export interface Inventory {
  readonly all: SourceMap
  readonly hosts: ReadonlyMap<string, HostDraft>
  readonly groups: ReadonlyMap<string, GroupDraft>
  /** Whether all hosts and groups could be read. If not, an unknown name may be a consequence. */
  readonly isComplete: boolean
}

/** Merges inventory files. Their order does not matter: a value that two files set is an error. */
export const readInventory = (roots: readonly SourceNode[], readVars: VarsReader, problems: Problem[]): Inventory => {
  let all = emptyMap
  const hosts = new Map<string, HostDraft>()
  const groups = new Map<string, GroupDraft>()
  let isComplete = true
  for (const root of roots) {
    const problemCount = problems.length
    const file = keepValid(withoutCustom(root), { label: 'inventory', schema: inventorySchema, hint: topHint }, problems)
    isComplete &&= problems.length === problemCount
    all = mergedVars(all, withOrigin(readVars(entryOf(file, 'vars'), 'variables of all hosts'), 'all'), problems)
    for (const [name, entry] of entriesOf(entryOf(file, 'hosts')?.node)) {
      const existing = hosts.get(name)
      if (existing !== undefined) problems.push(duplicateProblem(`host \`${shownName(name)}\``, entry.key, existing.place))
      else hosts.set(name, readHost(name, entry, readVars, problems))
    }
    for (const [name, entry] of entriesOf(entryOf(file, 'groups')?.node)) {
      const group = readGroup(name, entry, readVars, problems)
      const existing = groups.get(name)
      groups.set(name, existing === undefined ? group : mergedGroup(existing, group, problems))
    }
  }
  for (const { name, place } of groups.values()) {
    const host = hosts.get(name)
    if (host !== undefined)
      problems.push(
        inputProblem(
          place,
          `\`${shownName(name)}\` is both a group and a host`,
          'rename one of them, because a pattern could match either',
          `the host is at ${host.place.file}:${host.place.line}`,
        ),
      )
  }
  return { all, hosts, groups, isComplete }
}

const readHost = (name: string, { key: place, node }: SourceEntry, readVars: VarsReader, problems: Problem[]): HostDraft => {
  const fault = hostNameProblem(name)
  if (fault !== undefined) problems.push(inputProblem(place, fault.what, fault.fix))
  const label = `host ${shownName(name)}`
  const body = keepValid(node, { label, schema: hostSchema, hint: (key) => ansibleHint(key) ?? readVars.roleHint(key) }, problems)
  const direct = normalizeSettings(pick(body, HOST_SETTINGS), problems)
  const vars = readVars(entryOf(body, 'vars'), `variables of ${label}`)
  for (const [key, entry] of direct.entries) {
    const other = vars.entries.get(key)
    if (other !== undefined) problems.push(duplicateProblem(`\`${key}\` of ${label}`, other.key, entry.key))
  }
  return { name, place, where: pick(body, ADDRESS_SETTINGS), vars: withOrigin(mergeMaps(vars, direct), `host ${name}`) as SourceMap }
}

const readGroup = (name: string, { key: place, node }: SourceEntry, readVars: VarsReader, problems: Problem[]): GroupDraft => {
  const fault = groupNameProblem(name)
  if (fault !== undefined) problems.push(inputProblem(place, fault.what, fault.fix))
  const body = keepValid(
    node,
    {
      label: `group ${shownName(name)}`,
      schema: groupSchema,
      hint: (key) => readVars.roleHint(key) ?? (HOST_SETTINGS.has(key) ? 'move it to `vars` of the group' : undefined),
    },
    problems,
  )
  const mentions = (key: string): readonly NameReference[] => {
    const list = entryOf(body, key)?.node
    return list?.is === 'list'
      ? list.items.flatMap((item) => (item.is === 'scalar' ? [{ name: String(item.value), place: item.place }] : []))
      : []
  }
  const vars = readVars(entryOf(body, 'vars'), `variables of group ${shownName(name)}`)
  return { name, place, hosts: mentions('hosts'), children: mentions('children'), vars: withOrigin(vars, `group ${name}`) as SourceMap }
}

const mergedGroup = (one: GroupDraft, other: GroupDraft, problems: Problem[]): GroupDraft => ({
  ...one,
  hosts: [...one.hosts, ...other.hosts],
  children: [...one.children, ...other.children],
  vars: mergedVars(one.vars, other.vars, problems),
})

/** Merges the variables of one level from two files. A variable that both set is an error. */
const mergedVars = (one: SourceMap, other: SourceNode, problems: Problem[]): SourceMap => {
  if (other.is !== 'map') return one
  problems.push(...conflicts(one, other))
  return mergeMaps(one, other)
}

const conflicts = (one: SourceMap, other: SourceMap): readonly Problem[] =>
  [...other.entries].flatMap(([key, entry]) => {
    const existing = one.entries.get(key)
    if (existing === undefined) return []
    if (existing.node.is === 'map' && entry.node.is === 'map') return conflicts(existing.node, entry.node)
    return [duplicateProblem(`\`${shownName(key)}\``, entry.key, existing.key)]
  })

const duplicateProblem = (what: string, place: Place, first: Place): Problem =>
  inputProblem(
    place,
    `${what} is defined twice`,
    first.file === place.file ? 'remove one of the two' : 'remove one of the two, or select one inventory file with -i',
    `the first is ${first.file === place.file ? `on line ${first.line}` : `at ${first.file}:${first.line}`}`,
  )

const pick = (node: SourceMap, keys: ReadonlySet<string>): SourceMap => ({
  ...node,
  entries: new Map([...node.entries].filter(([key, entry]) => keys.has(key) && !isNothing(entry.node))),
})

const topHint = (key: string): string | undefined =>
  key === 'all' || key === 'children' ? 'convert the Ansible inventory: write `vars`, `hosts` and `groups` at the top level' : undefined
