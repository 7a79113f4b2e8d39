import { checkTargets } from '../host/ssh/check-targets.ts'
import type { Connection, Target } from '../host/target/connection.ts'
import { resolveTarget } from '../host/target/target.ts'
import { distinctProblems, Problem, Problems } from '../problem.ts'
import { type Bindings, bindRoles } from '../role/bind.ts'
import { findRoles, loadRoles } from '../role/discover.ts'
import { drainsOf } from '../role/drains.ts'
import { buildSite } from '../site/build.ts'
import { matchPattern } from '../site/inventory/pattern.ts'
import { readProject } from '../site/read.ts'
import type { Site } from '../site/site.ts'
import { suggestion } from '../site/source/suggest.ts'

/** What a user names on the command line, and where they stand. */
export interface Given {
  /** The project's directory, absolute. */
  readonly root: string
  readonly inventory?: string
  readonly playbooks?: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
}

export interface PrepareOptions extends Given {
  /** Host patterns; none: all hosts of the playbook. */
  readonly limit?: readonly string[]
  /** Roles whose resources may be changed; none: all. */
  readonly roles?: readonly string[]
  /** Hosts of which rows may be lost that only they have. */
  readonly allowDataLoss?: readonly string[]
  /** Log in with this instead of what the inventory says. */
  readonly login?: Login
}

/** An account on the hosts, and the private key that opens it; what is missing is as the inventory says. */
export interface Login {
  readonly user?: string
  readonly key?: string
}

/** Inventory, playbooks and roles, read and checked. */
export interface Understood {
  readonly site: Site
  readonly bindings: Bindings
  /** What may well be meant, and is told all the same. */
  readonly warnings: readonly Problem[]
}

/** Everything that can be known and checked before a packet leaves this machine. */
export interface Prepared {
  readonly root: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly site: Site
  readonly bindings: Bindings
  /** What may well be meant, and is told all the same. */
  readonly warnings: readonly Problem[]
  /** Hosts of the playbook within the limit, in inventory order. */
  readonly targets: readonly string[]
  /** How to reach each of them. */
  readonly reach: ReadonlyMap<string, Target>
  /** Hosts that are no part of the run and may be needed for it, to take others out there: how to reach each. */
  readonly beside: ReadonlyMap<string, Target>
  /** Roles that were asked for; empty: all. */
  readonly roles: readonly string[]
  /** Hosts of which rows may be lost that only they have: their data may be replaced, or another may take over while they are away. */
  readonly allowDataLoss: readonly string[]
}

/** Reads and checks inventory, playbooks, roles and options; needs no key and asks no host. Throws every problem found, all of them input errors. */
export const understand = async ({ root, inventory, playbooks, env }: Given): Promise<Understood> => {
  const raw = await readProject({
    root,
    env,
    ...(inventory === undefined ? {} : { inventory }),
    ...(playbooks === undefined ? {} : { playbooks }),
  })
  const files = findRoles(root)
  const site = buildSite(raw, { knownRoles: [...files.keys()] })
  const bindings = bindRoles(site, await loadRoles(files, rolesOf(site)))
  return { site, bindings, warnings: distinctProblems([...site.warnings, ...bindings.warnings]) }
}

/** Understands the project, and finds out how to reach the hosts that are meant: keys are read, nothing is sent. */
export const prepare = async ({ limit = [], roles = [], allowDataLoss = [], login = {}, ...given }: PrepareOptions): Promise<Prepared> => {
  const { site, bindings, warnings } = await understand(given)
  for (const role of roles) if (!rolesOf(site).includes(role)) throw unknownRole(role, rolesOf(site))
  for (const host of allowDataLoss) if (!site.hosts.has(host)) throw unknownLoser(host, [...site.hosts.keys()])
  const losers = bindings.bound.filter(({ role, context }) => role.holdsOwnRows?.(context) === true).map(({ host }) => host)
  for (const host of allowDataLoss) if (!losers.includes(host)) throw noLoser(host, [...new Set(losers)])
  const limited = limit.length === 0 ? [...site.hosts.keys()] : matchPattern(site, limit.join(','), { command: '--limit' })
  const played = new Set(site.plays.flatMap(({ hosts }) => hosts))
  const chosen = [...site.hosts.values()].filter(({ name }) => played.has(name) && limited.includes(name))
  if (chosen.length === 0) throw nobody(limit, 'no host of the playbook', 'name a host that a play binds to roles')
  for (const role of roles)
    if (!bindings.bound.some((one) => one.role.name === role && limited.includes(one.host)))
      throw nobody(limit, `no host with role ${role}`, 'name a host that a play binds to this role')
  const targets = chosen.map(({ name }) => name)
  const [reach, beside] = await Promise.all([reachOf(site, targets, login), reachOf(site, besides(site, bindings, targets), login)])
  const problems = await checkTargets([...reach.values(), ...beside.values()])
  if (problems.length > 0) throw new Problems(problems)
  return { root: given.root, env: given.env, site, bindings, warnings, targets, reach, beside, roles, allowDataLoss }
}

const reachOf = async (site: Site, names: readonly string[], login: Login): Promise<ReadonlyMap<string, Target>> => {
  const hosts = names.flatMap((name) => site.hosts.get(name) ?? [])
  return new Map(
    await Promise.all(hosts.map(async ({ name, connection }) => [name, await resolveTarget(name, loggingIn(connection, login))] as const)),
  )
}

/** A passphrase or a sudo password of the inventory belongs to its own key and account. */
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

/** Where hosts within the limit are taken out that are not within it themselves. */
const besides = ({ plays }: Site, bindings: Bindings, targets: readonly string[]): readonly string[] => {
  const rolling = new Set(plays.filter(({ serial }) => serial.length > 0).flatMap(({ hosts }) => hosts))
  const places = targets.filter((host) => rolling.has(host)).flatMap((host) => drainsOf(bindings, host).map(({ at }) => at))
  return [...new Set(places)].filter((at) => !targets.includes(at))
}

const rolesOf = (site: Site): readonly string[] => [...new Set(site.plays.flatMap((play) => play.roles.map(({ name }) => name)))]

const nobody = (limit: readonly string[], who: string, fix: string): Problem =>
  new Problem({
    class: 'input',
    where: { command: limit.map((pattern) => `--limit ${pattern}`).join(' ') || 'provision' },
    what: `${who} is within it`,
    fix,
  })

const unknownRole = (role: string, used: readonly string[]): Problem =>
  new Problem({
    class: 'input',
    where: { command: `--role ${role}` },
    what: `the playbook has no role ${role}`,
    fix: suggestion(role, used, 'name a role of the playbook'),
  })

const noLoser = (host: string, losers: readonly string[]): Problem =>
  new Problem({
    class: 'input',
    where: { command: `--allow-data-loss ${host}` },
    what: `${host} can have no rows that no other host has: it is no primary and no replica of this playbook`,
    fix: losers.length === 0 ? 'leave it out' : `name one of ${losers.join(', ')}, or leave it out`,
  })

const unknownLoser = (host: string, hosts: readonly string[]): Problem =>
  new Problem({
    class: 'input',
    where: { command: `--allow-data-loss ${host}` },
    what: `the inventory has no host ${host}`,
    fix: suggestion(host, hosts, 'name a host of the inventory'),
  })
