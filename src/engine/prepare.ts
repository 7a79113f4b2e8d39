import { checkTargets } from '../host/check.ts'
import type { Target } from '../host/connection.ts'
import { resolveTarget } from '../host/target.ts'
import { Problem, Problems } from '../problem.ts'
import { type Bindings, bindRoles } from '../role/bind.ts'
import { findRoles, loadRoles } from '../role/discover.ts'
import { buildSite } from '../site/build.ts'
import { matchPattern } from '../site/pattern.ts'
import { readProject } from '../site/read.ts'
import type { Site } from '../site/site.ts'
import { suggestion } from '../site/suggest.ts'

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
}

/** Inventory, playbooks and roles, read and checked. */
export interface Understood {
  readonly site: Site
  readonly bindings: Bindings
}

/** Everything that can be known and checked before a packet leaves this machine. */
export interface Prepared {
  readonly root: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly site: Site
  readonly bindings: Bindings
  /** Hosts of the playbook within the limit, in inventory order. */
  readonly targets: readonly string[]
  /** How to reach each of them. */
  readonly reach: ReadonlyMap<string, Target>
  /** Roles that were asked for; empty: all. */
  readonly roles: readonly string[]
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
  return { site, bindings: bindRoles(site, await loadRoles(files, rolesOf(site))) }
}

/** Understands the project, and finds out how to reach the hosts that are meant: keys are read, nothing is sent. */
export const prepare = async ({ limit = [], roles = [], ...given }: PrepareOptions): Promise<Prepared> => {
  const { site, bindings } = await understand(given)
  for (const role of roles) if (!rolesOf(site).includes(role)) throw unknownRole(role, rolesOf(site))
  const limited = limit.length === 0 ? [...site.hosts.keys()] : matchPattern(site, limit.join(','), { command: '--limit' })
  const played = new Set(site.plays.flatMap(({ hosts }) => hosts))
  const chosen = [...site.hosts.values()].filter(({ name }) => played.has(name) && limited.includes(name))
  if (chosen.length === 0) throw nobody(limit, 'no host of the playbook', 'name a host that a play binds to roles')
  for (const role of roles)
    if (!bindings.bound.some((one) => one.role.name === role && limited.includes(one.host)))
      throw nobody(limit, `no host with role ${role}`, 'name a host that a play binds to this role')
  const found = await Promise.all(chosen.map(({ name, connection }) => resolveTarget(name, connection)))
  const problems = await checkTargets(found)
  if (problems.length > 0) throw new Problems(problems)
  const reach = new Map(found.map((target) => [target.name, target]))
  return { root: given.root, env: given.env, site, bindings, targets: [...reach.keys()], reach, roles }
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
