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

export interface PrepareOptions {
  /** The project's directory, absolute. */
  readonly root: string
  readonly inventory?: string
  readonly playbooks?: readonly string[]
  /** Host patterns; none: all hosts of the playbook. */
  readonly limit?: readonly string[]
  /** Roles whose resources may be changed; none: all. */
  readonly roles?: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
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

/** Loads and checks inventory, playbooks, roles and options. Throws every problem found, all of them input errors. */
export const prepare = async ({ root, inventory, playbooks, limit = [], roles = [], env }: PrepareOptions): Promise<Prepared> => {
  const raw = await readProject({
    root,
    env,
    ...(inventory === undefined ? {} : { inventory }),
    ...(playbooks === undefined ? {} : { playbooks }),
  })
  const files = findRoles(root)
  const site = buildSite(raw, { knownRoles: [...files.keys()] })
  const used = [...new Set(site.plays.flatMap((play) => play.roles.map(({ name }) => name)))]
  for (const role of roles) if (!used.includes(role)) throw unknownRole(role, used)
  const bindings = bindRoles(site, await loadRoles(files, used))
  const limited = limit.length === 0 ? [...site.hosts.keys()] : matchPattern(site, limit.join(','), { command: '--limit' })
  const played = new Set(site.plays.flatMap(({ hosts }) => hosts))
  const chosen = [...site.hosts.values()].filter(({ name }) => played.has(name) && limited.includes(name))
  const found = await Promise.all(chosen.map(({ name, connection }) => resolveTarget(name, connection)))
  const problems = await checkTargets(found)
  if (problems.length > 0) throw new Problems(problems)
  const reach = new Map(found.map((target) => [target.name, target]))
  return { root, env, site, bindings, targets: [...reach.keys()], reach, roles }
}

const unknownRole = (role: string, used: readonly string[]): Problem =>
  new Problem({
    class: 'input',
    where: { command: `--role ${role}` },
    what: `the playbook has no role ${role}`,
    fix: suggestion(role, used, 'name a role of the playbook'),
  })
