import { type Problem, Problems, type Where } from '../problem.ts'
import { connectionOf, textsOf } from './inventory/connection.ts'
import { sameAddresses } from './inventory/duplicates.ts'
import { type Membership, resolveGroups } from './inventory/groups.ts'
import type { Host } from './inventory/host.ts'
import { type HostDraft, type Inventory, readInventory } from './inventory/inventory.ts'
import { mergeAll, mergeMaps, variableOf } from './inventory/merge.ts'
import { emptyMap, SECRETS, varsReader } from './inventory/vars.ts'
import { readPlaybook } from './playbook.ts'
import type { RawFile, RawProject } from './raw.ts'
import type { Sources } from './reference/references.ts'
import { ifTooShort } from './reference/short-secret.ts'
import type { Play, RoleUse, Site } from './site.ts'
import { complaint, type Place } from './source/complaint.ts'
import { entryOf, fromPlain, type WrittenMap, writtenOptions } from './source/source-map.ts'
import { type ParsedFile, parseYaml } from './yaml/yaml.ts'

export interface BuildOptions {
  /** Names of all roles there are: what plays may bind, and under which variables may hold options. */
  readonly knownRoles: readonly string[]
}

/** Checks what was read and makes the site of it. Pure. Throws `Problems` with everything that is wrong in any of the files. */
export const buildSite = (raw: RawProject, { knownRoles }: BuildOptions): Site => {
  const secrets = raw.secrets && parseYaml(raw.secrets.path, raw.secrets.text.reveal(), undefined, 'secret')
  const sources: Sources = {
    env: raw.env,
    command: raw.command,
    secrets: secrets?.root,
    secretsPath: raw.secretsPath,
    secretsUnreadable: raw.secretsUnreadable || secrets?.sound === false,
  }
  const inventories = raw.inventory.map(({ path, text }) => parseYaml(path, text, sources))
  const playbooks = raw.playbooks.map(({ path, text }) => parseYaml(path, text, sources))
  const parsed = [...(secrets ? [secrets] : []), ...inventories, ...playbooks]

  const problems: Problem[] = []
  const inventory = readInventory(
    inventories.flatMap(({ root }) => root ?? []),
    varsReader(knownRoles, problems),
    problems,
  )
  const complete = raw.problems.length === 0 && inventories.every(({ sound }) => sound) && inventory.whole
  const membership = resolveGroups(inventory, complete ? problems : [])
  const hosts = new Map([...inventory.hosts].map(([name, draft]) => [name, hostOf(draft, inventory, membership, raw)]))
  problems.push(...sameAddresses(inventory, hosts))
  if (complete && inventory.hosts.size === 0 && raw.inventory[0] !== undefined) problems.push(noHosts(raw.inventory[0]))

  const optionsOf = new WeakMap<RoleUse, WrittenMap>()
  const context = { choice: complete && hosts.size > 0 ? { hosts, groups: membership.groups } : undefined, knownRoles, problems, optionsOf }
  const plays: Play[] = playbooks.flatMap((file, i) => {
    if (file.root === undefined && file.sound) problems.push(...emptyPlaybook(raw.playbooks[i]))
    return file.root === undefined ? [] : readPlaybook(file.root, context)
  })

  const all = inOrder(raw, parsed, problems)
  if (all.length > 0) throw new Problems(all)

  const warnings = parsed.flatMap((file) => file.warnings)
  const warnedOf = new Set(warnings.map(({ where }) => spot(where)))
  const layers = new Map([...inventory.hosts].map(([name, draft]) => [name, varsOf(draft, inventory, membership)]))
  return {
    root: raw.root,
    hosts,
    groups: membership.groups,
    plays,
    warnings: [...warnings, ...[...layers.values()].flatMap(shortLogins).filter(({ where }) => !warnedOf.has(spot(where)))],
    roleOptions: (host, use) => {
      const place = 'file' in use.where ? use.where : { file: raw.root }
      const empty: WrittenMap = { is: 'map', entries: new Map(), place }
      const under = entryOf(layers.get(host), use.name)?.node
      const beside = optionsOf.get(use) ?? (use.options === undefined ? empty : fromPlain(use.options.value, place))
      const merged = mergeMaps(under?.is === 'map' ? under : empty, beside.is === 'map' ? beside : empty)
      return writtenOptions(beside === empty && under?.is === 'map' ? { ...merged, place: under.place } : { ...merged, place })
    },
  }
}

/** The merged variables of a host: all hosts' under those of its groups, from the outermost in, under its own. */
const varsOf = (draft: HostDraft, inventory: Inventory, { layersOf }: Membership): WrittenMap =>
  mergeAll([inventory.all, ...layersOf(draft.name).flatMap((name) => inventory.groups.get(name)?.vars ?? []), draft.vars], emptyMap)

/** Those of the connection that were written in the clear; what was taken from elsewhere was told as it was read. */
const shortLogins = (vars: WrittenMap): readonly Problem[] =>
  [...vars.entries].flatMap(([name, { node }]) =>
    SECRETS.has(name) && node.is === 'scalar' ? ifTooShort(node.value, node.place, name) : [],
  )

const hostOf = (draft: HostDraft, inventory: Inventory, membership: Membership, raw: RawProject): Host => {
  const vars = varsOf(draft, inventory, membership)
  const connection = connectionOf(draft.name, draft.where, vars, raw)
  const addresses = textsOf(entryOf(draft.where, 'internal')?.node) ?? [connection.address]
  return {
    name: draft.name,
    connection,
    addresses,
    publicAddresses: textsOf(entryOf(draft.where, 'public')?.node) ?? addresses,
    groups: membership.layersOf(draft.name).toSorted(),
    vars: new Map([...vars.entries].map(([name, entry]) => [name, variableOf(entry)])),
    where: draft.place,
  }
}

const noHosts = ({ path }: RawFile): Problem =>
  complaint(
    { file: path, line: 1, column: 1 },
    'the inventory has no hosts',
    'write them under `hosts`, as inventory/production.example.yaml shows',
  )

const emptyPlaybook = (file: RawFile | undefined): readonly Problem[] =>
  file === undefined
    ? []
    : [
        complaint(
          { file: file.path, line: 1, column: 1 },
          'this playbook is empty',
          'write a play: `- hosts: all` and below it `roles: […]`',
        ),
      ]

/**
 * All problems, file by file and from top to bottom. Where a reference could not be filled in, what else is wrong with that
 * value follows from it and is not said.
 */
const inOrder = (raw: RawProject, parsed: readonly ParsedFile[], problems: readonly Problem[]): readonly Problem[] => {
  const unresolved = new Set(parsed.flatMap((file) => file.unresolved.map((place) => spot(place))))
  const found = [
    ...raw.problems,
    ...parsed.flatMap((file) => file.problems),
    ...problems.filter((problem) => !unresolved.has(spot(problem.where))),
  ]
  const rank = new Map([...raw.inventory, ...raw.playbooks].map(({ path }, i) => [path, i]))
  const place = ({ where }: Problem): Place => ('file' in where ? where : { file: '' })
  return found.toSorted((a, b) => {
    const [one, other] = [place(a), place(b)]
    return (
      (rank.get(one.file) ?? -1) - (rank.get(other.file) ?? -1) ||
      (one.line ?? 0) - (other.line ?? 0) ||
      (one.column ?? 0) - (other.column ?? 0)
    )
  })
}

const spot = (where: Where): string => ('file' in where ? `${where.file}:${where.line}:${where.column}` : '')
