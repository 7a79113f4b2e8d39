import type { Environment } from '../environment.ts'
import type { Connection, Target } from '../host/target/connection.ts'
import { resolveTarget } from '../host/target/target.ts'
import { checkTargets } from '../host/transport/check-targets.ts'
import { distinctProblems, Problem, Problems } from '../problem.ts'
import { type Bindings, bindRoles } from '../role/bind.ts'
import { findRoles, loadRoles, yamlRolesIn } from '../role/discover.ts'
import { drainsOf } from '../role/drains.ts'
import { unfilteredHosts } from '../role/flows.ts'
import { loadKinds } from '../role/kinds.ts'
import { namedRoles } from '../role/named-roles.ts'
import type { Kinds } from '../role/yaml/entries.ts'
import { buildSite } from '../site/build.ts'
import { matchPattern } from '../site/inventory/pattern.ts'
import type { RawFile } from '../site/raw.ts'
import { readProject } from '../site/read.ts'
import type { Site } from '../site/site.ts'
import { suggestion } from '../site/source/suggest.ts'
import { type Departed, departedHosts, departures, stillAdmitted } from './departed.ts'
import { shippedKinds } from './shipped-kinds.ts'

/** The project and the files that a command line names. */
export interface ProjectOptions {
  /** The project's directory, absolute. */
  readonly root: string
  readonly inventory?: string
  readonly playbooks?: readonly string[]
  /** A playbook of the command line. */
  readonly adHoc?: RawFile
  readonly env: Environment
}

export interface PrepareOptions extends ProjectOptions {
  /** Host patterns; empty selects all hosts of the playbook. */
  readonly limit?: readonly string[]
  /** Roles whose resources may be changed; empty selects all. */
  readonly roles?: readonly string[]
  /** Hosts whose unreplicated rows may be discarded. */
  readonly allowDataLoss?: readonly string[]
  /** Hosts that left the inventory and that the run retires, so that later runs do not warn about them. */
  readonly retire?: readonly string[]
  /** Account and key to use instead of those of the inventory. */
  readonly login?: Login
}

/** An account on the hosts and its private key; a missing part is taken from the inventory. */
export interface Login {
  readonly user?: string
  readonly key?: string
}

/** Inventory, playbooks and roles after reading and checking. */
export interface CheckedSite {
  readonly site: Site
  readonly bindings: Bindings
  /** Suspicious but valid input, shown as a warning. */
  readonly warnings: readonly Problem[]
}

/** Everything that is known and checked before any host is contacted. */
export interface Prepared {
  readonly root: string
  readonly env: Environment
  readonly site: Site
  readonly bindings: Bindings
  /** Suspicious but valid input, shown as a warning. */
  readonly warnings: readonly Problem[]
  /** Selected hosts of the playbook, in inventory order. */
  readonly targets: readonly string[]
  /** Connection settings of each target. */
  readonly reach: ReadonlyMap<string, Target>
  /** Hosts outside the run that send requests to hosts of the run, and the connection settings of each. */
  readonly beside: ReadonlyMap<string, Target>
  /** Selected roles; empty selects all. */
  readonly roles: readonly string[]
  /** Hosts whose unreplicated rows may be discarded: their data may be replaced, or another host may take over while they are away. */
  readonly allowDataLoss: readonly string[]
  /** Hosts that left the inventory and that this run retires. */
  readonly retire: readonly Departed[]
  /** The run applies a resource of the command line: nothing is recorded, and no orphan is looked for. */
  readonly isAdHoc?: boolean
}

/** Reads and checks inventory, playbooks, roles and options. Reads no key and contacts no host. Throws all input errors together. */
export const readSite = async ({ root, inventory, playbooks, adHoc, env }: ProjectOptions): Promise<CheckedSite> => {
  const files = findRoles(root)
  const inYaml = yamlRolesIn(files, root)
  const raw = await readProject({
    root,
    env,
    roles: inYaml,
    ...(inventory === undefined ? {} : { inventory }),
    ...(playbooks === undefined ? {} : { playbooks }),
    ...(adHoc === undefined ? {} : { adHoc }),
  })
  const site = buildSite(raw, { knownRoles: [...files.keys()] })
  const kinds = await kindsOf(root)
  const loaded = await loadRoles(files, codeOf(site))
  const { roles, problems } = namedRoles(site, loaded, { kinds, paths: inYaml })
  const bindings = bindRoles(site, roles, problems)
  return { site, bindings, warnings: distinctProblems([...site.warnings, ...bindings.warnings]) }
}

/** Returns all kinds by name: those of provision and of the project. */
export const kindsOf = async (root: string): Promise<Kinds> => {
  // Loaded first: a kind of a user with the name of a shipped one is refused, with its file.
  const shipped = await shippedKinds()
  const loaded = kindsIn.get(root) ?? loadKinds(root, shipped)
  kindsIn.set(root, loaded)
  return new Map([...shipped, ...(await loaded)])
}

// Modules are loaded once.
const kindsIn = new Map<string, ReturnType<typeof loadKinds>>()

/** Reads and checks the project, and resolves how to reach the selected hosts. Reads keys, contacts no host. */
export const prepare = async (options: PrepareOptions): Promise<Prepared> => {
  const { limit = [], roles = [], allowDataLoss = [], login = {}, ...given } = options
  const { site, bindings, warnings } = await readSite(given)
  const { retired, left } = departures(departedHosts(site), options.retire ?? [], site)
  for (const role of roles) if (!rolesOf(site).includes(role)) throw unknownRole(role, rolesOf(site))
  for (const host of allowDataLoss) if (!site.hosts.has(host)) throw unknownHost(host, [...site.hosts.keys()])
  const candidates = bindings.bound.filter(({ role, context }) => role.holdsOwnRows?.(context) === true).map(({ host }) => host)
  for (const host of allowDataLoss) if (!candidates.includes(host)) throw noUnreplicatedRows(host, [...new Set(candidates)])
  const limited = limit.length === 0 ? [...site.hosts.keys()] : matchPattern(site, limit.join(','), { command: limitOf(limit) })
  const played = new Set(site.plays.flatMap(({ hosts }) => hosts))
  const selected = [...site.hosts.values()].filter(({ name }) => played.has(name) && limited.includes(name))
  if (selected.length === 0) throw noHost(limit, 'no host of the playbook is selected', 'name a host that a play binds to roles')
  for (const role of roles)
    if (!bindings.bound.some((bound) => bound.role.name === role && limited.includes(bound.host)))
      throw noHost(limit, `no host with role ${role} is selected`, 'name a host that a play binds to this role')
  const targets = selected.map(({ name }) => name)
  const [reach, beside] = await Promise.all([reachOf(site, targets, login), reachOf(site, drainingHosts(bindings, targets), login)])
  const problems = await checkTargets([...reach.values(), ...beside.values()])
  if (problems.length > 0) throw new Problems(problems)
  return {
    root: given.root,
    env: given.env,
    site,
    bindings,
    warnings: [...warnings, ...left, ...stillAdmitted(retired, unfilteredHosts(site, bindings.bound))],
    targets,
    reach,
    beside,
    roles,
    allowDataLoss,
    retire: retired,
  }
}

const reachOf = async (site: Site, names: readonly string[], login: Login): Promise<ReadonlyMap<string, Target>> => {
  const hosts = names.flatMap((name) => site.hosts.get(name) ?? [])
  return new Map(
    await Promise.all(hosts.map(async ({ name, connection }) => [name, await resolveTarget(name, loggingIn(connection, login))] as const)),
  )
}

// A passphrase or a sudo password of the inventory belongs to the key and account of the inventory.
const loggingIn = ({ passphrase, sudoPassword, ...connection }: Connection, { user, key }: Login): Connection => ({
  ...connection,
  ...(sudoPassword !== undefined && user === undefined && { sudoPassword }),
  ...(passphrase !== undefined && key === undefined && { passphrase }),
  ...(user !== undefined && { user }),
  ...(key !== undefined && { keys: [key] }),
  written: [
    ...(connection.written ?? []),
    ...(user === undefined ? [] : (['user'] as const)),
    ...(key === undefined ? [] : (['keys'] as const)),
  ],
})

/** Hosts outside the selection that take selected hosts out of service, or send them requests. */
const drainingHosts = (bindings: Bindings, targets: readonly string[]): readonly string[] => {
  const places = targets.flatMap((host) => drainsOf(bindings, host).map(({ at }) => at))
  return [...new Set(places)].filter((at) => !targets.includes(at))
}

const rolesOf = (site: Site): readonly string[] => [...new Set(site.plays.flatMap((play) => play.roles.map(({ name }) => name)))]

/** The names of the roles whose code is loaded. */
const codeOf = ({ plays, roleFiles }: Site): readonly string[] =>
  plays.flatMap(({ roles }) => roles.flatMap(({ role, resources }) => (resources === undefined && !roleFiles.has(role) ? [role] : [])))

const limitOf = (limit: readonly string[]): string => limit.map((pattern) => `--limit ${pattern}`).join(' ')

const noHost = (limit: readonly string[], what: string, fix: string): Problem =>
  new Problem({
    class: 'input',
    where: { command: limitOf(limit) || 'provision' },
    what,
    fix,
  })

const unknownRole = (role: string, used: readonly string[]): Problem =>
  new Problem({
    class: 'input',
    where: { command: `--role ${role}` },
    what: `role ${role} is not in the playbook`,
    fix: suggestion(role, used, 'name a role of the playbook'),
  })

const noUnreplicatedRows = (host: string, candidates: readonly string[]): Problem =>
  new Problem({
    class: 'input',
    where: { command: `--allow-data-loss ${host}` },
    what: `${host} cannot hold unreplicated rows`,
    why: 'the playbook makes it neither a primary nor a replica',
    fix: candidates.length === 0 ? 'remove this option' : `name one of ${candidates.join(', ')}, or remove this option`,
  })

const unknownHost = (host: string, hosts: readonly string[]): Problem =>
  new Problem({
    class: 'input',
    where: { command: `--allow-data-loss ${host}` },
    what: `host ${host} is not in the inventory`,
    fix: suggestion(host, hosts, 'name a host of the inventory'),
  })
