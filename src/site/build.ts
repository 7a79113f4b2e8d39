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
import { shortSecretWarnings } from './reference/short-secret.ts'
import type { Play, RoleUse, Site } from './site.ts'
import { inputProblem, type Place } from './source/input-problem.ts'
import { emptyNode, entryOf, fromPlain, locatedValue, type SourceMap } from './source/source-map.ts'
import { type ParsedFile, parseYaml } from './yaml/yaml.ts'

export interface BuildOptions {
  /** Names of all available roles. Plays may bind them, and variables of these names hold their options. */
  readonly knownRoles: readonly string[]
}

/** Checks the files and returns the site. Pure. Throws `Problems` with all errors of all files. */
export const buildSite = (raw: RawProject, { knownRoles }: BuildOptions): Site => {
  const secrets = raw.secrets && parseYaml(raw.secrets.path, raw.secrets.text.reveal(), undefined, 'secret')
  const sources: Sources = {
    env: raw.env,
    command: raw.command,
    secrets: secrets?.root,
    secretsPath: raw.secretsPath,
    secretsUnreadable: raw.secretsUnreadable || secrets?.isParsed === false,
  }
  const inventories = raw.inventory.map(({ path, text }) => parseYaml(path, text, sources))
  const playbooks = raw.playbooks.map(({ path, text }) => parseYaml(path, text, sources))
  const parsedFiles = [...(secrets ? [secrets] : []), ...inventories, ...playbooks]

  const problems: Problem[] = []
  const inventory = readInventory(
    inventories.flatMap(({ root }) => root ?? []),
    varsReader(knownRoles, problems),
    problems,
  )
  const isComplete = raw.problems.length === 0 && inventories.every(({ isParsed }) => isParsed) && inventory.isComplete
  const membership = resolveGroups(inventory, isComplete ? problems : [])
  const hosts = new Map([...inventory.hosts].map(([name, draft]) => [name, hostOf(draft, inventory, membership, raw)]))
  problems.push(...sameAddresses(inventory, hosts))
  if (isComplete && inventory.hosts.size === 0 && raw.inventory[0] !== undefined) problems.push(noHosts(raw.inventory[0]))

  const optionsOf = new WeakMap<RoleUse, SourceMap>()
  const context = {
    scope: isComplete && hosts.size > 0 ? { hosts, groups: membership.groups } : undefined,
    knownRoles,
    problems,
    optionsOf,
  }
  const plays: Play[] = playbooks.flatMap((file, i) => {
    if (file.root === undefined && file.isParsed) problems.push(...emptyPlaybook(raw.playbooks[i]))
    return file.root === undefined ? [] : readPlaybook(file.root, context)
  })

  const bound = new Set(plays.flatMap(({ roles }) => roles.map(({ role }) => role)))
  const roles = [...(raw.roles ?? [])].flatMap(([name, { path, text, isPackaged = false }]) =>
    bound.has(name) ? [[name, parseYaml(path, text, { ...sources, isPackaged })] as const] : [],
  )
  parsedFiles.push(...roles.map(([, file]) => file))
  const all = sortedProblems(raw, parsedFiles, problems)
  if (all.length > 0) throw new Problems(all)

  const warnings = [...(raw.warnings ?? []), ...parsedFiles.flatMap((file) => file.warnings)]
  const warnedAt = new Set(warnings.map(({ where }) => placeKey(where)))
  const layers = new Map([...inventory.hosts].map(([name, draft]) => [name, varsOf(draft, inventory, membership)]))
  return {
    root: raw.root,
    inventories: raw.inventory.map(({ path }) => path),
    hosts,
    groups: membership.groups,
    plays,
    roleFiles: new Map(roles.map(([name, { path, root }]) => [name, root ?? emptyNode({ file: path, line: 1, column: 1 })])),
    warnings: [...warnings, ...[...layers.values()].flatMap(shortLoginSecrets).filter(({ where }) => !warnedAt.has(placeKey(where)))],
    roleOptions: (host, use) => {
      const place = 'file' in use.where ? use.where : { file: raw.root }
      const empty = emptyNode(place)
      if (use.resources !== undefined) return locatedValue(empty)
      const inherited = entryOf(layers.get(host), use.name)?.node
      const inPlaybook = optionsOf.get(use) ?? (use.options === undefined ? empty : fromPlain(use.options.value, place))
      const merged = mergeMaps(inherited?.is === 'map' ? inherited : empty, inPlaybook.is === 'map' ? inPlaybook : empty)
      return locatedValue(inPlaybook === empty && inherited?.is === 'map' ? { ...merged, place: inherited.place } : { ...merged, place })
    },
  }
}

/** Merges the variables of a host: of all hosts, then of its groups from the outermost in, then its own. Later levels win. */
const varsOf = (draft: HostDraft, inventory: Inventory, { layersOf }: Membership): SourceMap =>
  mergeAll([inventory.all, ...layersOf(draft.name).flatMap((name) => inventory.groups.get(name)?.vars ?? []), draft.vars], emptyMap)

/** Warns about short login secrets in plain text. References were checked when they were resolved. */
const shortLoginSecrets = (vars: SourceMap): readonly Problem[] =>
  [...vars.entries].flatMap(([name, { node }]) =>
    SECRETS.has(name) && node.is === 'scalar' ? shortSecretWarnings(node.value, node.place, name) : [],
  )

const hostOf = (draft: HostDraft, inventory: Inventory, membership: Membership, raw: RawProject): Host => {
  const vars = varsOf(draft, inventory, membership)
  const connection = connectionOf(draft.name, draft.where, vars, raw)
  const [release] = textsOf(entryOf(vars, 'release')?.node) ?? []
  const addresses = textsOf(entryOf(draft.where, 'internal')?.node) ?? (connection.transport === 'local' ? [] : [connection.address])
  return {
    name: draft.name,
    connection,
    addresses,
    publicAddresses: textsOf(entryOf(draft.where, 'public')?.node) ?? addresses,
    ...(release === undefined ? {} : { release }),
    groups: membership.layersOf(draft.name).toSorted(),
    vars: new Map([...vars.entries].map(([name, entry]) => [name, variableOf(entry)])),
    where: draft.place,
  }
}

const noHosts = ({ path }: RawFile): Problem =>
  inputProblem(
    { file: path, line: 1, column: 1 },
    'inventory has no hosts',
    'add hosts under `hosts`, for example web-01: { address: 192.0.2.11 }',
  )

const emptyPlaybook = (file: RawFile | undefined): readonly Problem[] =>
  file === undefined
    ? []
    : [inputProblem({ file: file.path, line: 1, column: 1 }, 'playbook is empty', 'add a play: `- hosts: all`, followed by `roles: […]`')]

/** Sorts problems by file and line. Omits problems of a value whose reference could not be resolved: they are consequences. */
const sortedProblems = (raw: RawProject, parsedFiles: readonly ParsedFile[], problems: readonly Problem[]): readonly Problem[] => {
  const unresolved = new Set(parsedFiles.flatMap((file) => file.unresolved.map((place) => placeKey(place))))
  const found = [
    ...raw.problems,
    ...parsedFiles.flatMap((file) => file.problems),
    ...problems.filter((problem) => !unresolved.has(placeKey(problem.where))),
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

const placeKey = (where: Where): string => ('file' in where ? `${where.file}:${where.line}:${where.column}` : '')
