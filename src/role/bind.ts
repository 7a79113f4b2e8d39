import { isDeepStrictEqual } from 'node:util'
import { distinctProblems, type Problem, Problem as ProblemClass, Problems, placeOf, problemsIn, type Where } from '../problem.ts'
import type { Host } from '../site/inventory/host.ts'
import { shortSecretWarnings } from '../site/reference/short-secret.ts'
import { zodProblems } from '../site/schema/zod.ts'
import type { RoleUse, Site } from '../site/site.ts'
import { inFileOrder } from '../site/source/input-problem.ts'
import type { LocatedValue } from '../site/source/source-map.ts'
import { setsByHost, withSets } from './flow/sets.ts'
import { resolveFlows } from './flows.ts'
import type { Exposed, Flow, HostView, Role, SiteContext, SiteView } from './role.ts'
import { pathsTo, secretsAt, valueAt } from './written.ts'
import { placeOfValue } from './yaml/place-of-value.ts'

/** A role bound to a host with its checked options: everything that is known without contacting the host. */
export interface Bound {
  readonly play: number
  readonly host: string
  readonly role: Role
  readonly context: SiteContext<unknown>
  /** Its options as the user wrote them. */
  readonly written: LocatedValue
  /** The place in the playbook that binds it. */
  readonly where: Where
}

/** All roles of the playbook bound to their hosts, the permitted flows, and the metrics and health probes that roles expose. */
export interface Bindings {
  readonly bound: readonly Bound[]
  readonly flows: readonly Flow[]
  readonly exposed: readonly Exposed[]
  /** Suspicious but valid input, shown as a warning. */
  readonly warnings: readonly Problem[]
}

/** Binds roles, by their names in the site, to hosts. Throws the problems that were `found` before and those of all options together, before any host is contacted. */
export const bindRoles = (site: Site, roles: ReadonlyMap<string, Role>, found: readonly Problem[] = []): Bindings => {
  const view = viewOf(site)
  const views = new Map(view.hosts.map((host) => [host.name, host]))
  const problems: Problem[] = [...found]
  const bound: Bound[] = []
  const firsts = new Map<Role, Map<string, Bound>>()
  const listening: Parameters<typeof resolveFlows>[0][number][] = []
  const warnings: Problem[] = []
  for (const [play, { hosts, roles: uses }] of site.plays.entries())
    for (const use of uses)
      for (const name of hosts) {
        const role = roles.get(use.name)
        const host = views.get(name)
        if (role === undefined || host === undefined) continue
        const written = site.roleOptions(name, use)
        const checked = role.options.safeParse(written.value ?? {})
        if (!checked.success) {
          problems.push(...zodProblems(checked.error, written, `role ${role.name}`, role.options).map(whereToAdd(use, written)))
          continue
        }
        warnings.push(...shortSecrets(checked.data, written))
        const context: SiteContext<unknown> = { host, site: view, options: checked.data, ...(use.name !== use.role && { as: use.name }) }
        const faults = role.check?.(context) ?? []
        problems.push(
          ...faults.map(
            ({ path, what, fix }) =>
              new ProblemClass({ class: 'input', where: written.whereOf(path), what: `role ${role.name}: ${what}`, fix }),
          ),
        )
        // Invalid options would cause a second problem in the ports.
        if (faults.length > 0) continue
        const before = firsts.get(role)?.get(name)
        if (before !== undefined && !isDeepStrictEqual(before.context.options, checked.data))
          problems.push(boundTwice(name, role, use.where, before))
        const one: Bound = { play, host: name, role, context, written, where: use.where }
        bound.push(one)
        if (before === undefined) firsts.set(role, (firsts.get(role) ?? new Map<string, Bound>()).set(name, one))
        try {
          listening.push({
            host,
            role: role.name,
            listens: role.listens?.(context) ?? [],
            where: use.where,
            optionWith: use.resources === undefined ? optionIn(written) : placeOfValue(use.resources),
          })
        } catch (error) {
          const faulty = problemsIn(error)
          if (faulty === undefined) throw error
          problems.push(...faulty)
        }
      }
  const named = withSets(listening, setsByHost(bound), view)
  const { flows, problems: flowProblems } = resolveFlows(named, view, (name) => site.hosts.get(name)?.where)
  // Two plays may bind the same role to a host; it counts once.
  const once = bound.filter((one) => firsts.get(one.role)?.get(one.host) === one)
  const { exposed, problems: twice } = exposedBy(once, flows)
  const all = distinctProblems([...problems, ...flowProblems, ...twice])
  if (all.length > 0) throw new Problems(inFileOrder(all))
  return { bound, flows, exposed, warnings }
}

/** Adds the name of the variable to the fix if a role has no options at all, because the problem is then at the play. */
const whereToAdd =
  ({ name }: RoleUse, { value }: LocatedValue) =>
  (problem: Problem): Problem =>
    isDeepStrictEqual(value, {})
      ? new ProblemClass({ ...problem, fix: `${problem.fix}, in the variable \`${name}\` of the inventory` })
      : problem

/** Returns the metrics and health probes that these roles expose. */
const exposedBy = (
  bound: readonly Bound[],
  flows: readonly Flow[],
): { readonly exposed: readonly Exposed[]; readonly problems: readonly Problem[] } => {
  const exposed: Exposed[] = []
  const jobs = new Map<string, Exposed>()
  const problems: Problem[] = []
  for (const { host, role, context, where } of bound)
    for (const one of role.exposes?.({ ...context, flows }) ?? []) {
      const added: Exposed = { ...one, host, role: role.name }
      const job = one.type === 'metrics' ? `${host} ${one.job}` : undefined
      const first = job === undefined ? undefined : jobs.get(job)
      if (first === undefined) exposed.push(added)
      else problems.push(exposedTwice(host, role, where, first))
      if (job !== undefined && first === undefined) jobs.set(job, added)
    }
  return { exposed, problems }
}

/** Warnings about short secrets in the options themselves. Secrets from other sources were checked when they were read. */
const shortSecrets = (options: unknown, { value, whereOf }: LocatedValue): readonly Problem[] =>
  secretsAt(options).flatMap(([path, secret]) =>
    typeof valueAt(value, path) === 'string'
      ? shortSecretWarnings(secret, whereOf(path), String(path.findLast((key) => typeof key === 'string')))
      : [],
  )

/** The place of a value among a role's options; undefined if the value is not there exactly once. */
const optionIn =
  ({ value, whereOf }: LocatedValue) =>
  (sought: unknown): Where | undefined => {
    const [path, another] = pathsTo(sought, value)
    return path === undefined || another !== undefined ? undefined : whereOf(path)
  }

const boundTwice = (host: string, role: Role, where: Where, before: Bound): Problem =>
  new ProblemClass({
    class: 'input',
    where,
    what: `role ${role.name} is bound to ${host} twice with different options (first at ${placeOf(before.where)})`,
    fix: 'set its options in one place, for example in the inventory',
  })

const exposedTwice = (host: string, role: Role, where: Where, first: Exposed): Problem =>
  new ProblemClass({
    class: 'input',
    where,
    what: `roles ${first.role} and ${role.name} both expose ${first.type === 'metrics' ? first.job : first.name} of ${host} to monitoring`,
    fix: 'rename the job in one of the two roles, or remove one of them from this host',
  })

/** The site as roles see it: names and addresses, no connection settings. */
const viewOf = (site: Site): SiteView => {
  const hosts = [...site.hosts.values()].map(hostView)
  const byName = new Map(hosts.map((host) => [host.name, host]))
  return {
    hosts,
    group: (name) => (name === 'all' ? hosts : (site.groups.get(name) ?? []).flatMap((member) => byName.get(member) ?? [])),
    withRole: (role) => {
      const names = new Set(site.plays.flatMap((play) => (play.roles.some((use) => isOf(use, role)) ? play.hosts : [])))
      return hosts.filter(({ name }) => names.has(name))
    },
  }
}

const isOf = (use: RoleUse, role: string): boolean => use.resources === undefined && use.role === role

const hostView = ({ name, connection, addresses, publicAddresses, groups }: Host): HostView => ({
  name,
  user: connection.user,
  sshPort: connection.port,
  addresses,
  publicAddresses,
  groups,
})
