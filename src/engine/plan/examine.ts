import { Problem, Problems } from '../../problem.ts'
import { keyOf } from '../../resource/kind/kind.ts'
import { isOrphan } from '../../resource/ownership/orphan.ts'
import type { ProjectPlaybooks } from '../../site/project-playbooks.ts'
import { onHost } from '../failure.ts'
import type { Observation } from '../observe/host-query.ts'
import { missingOf, type Orphan, orphanNotices, orphansOn } from './orphans.ts'
import { forbiddenOn, noticesOf, type Selection, unfinishedOf } from './plan-host.ts'
import { failuresOf, type ObservedHost, observationsOf } from './plan-hosts.ts'
import { unknownAuthorities } from './unknown-authority.ts'

/** The reports of the kinds about a host, beside its changes. */
export interface ExaminedHost extends ObservedHost {
  /** Reasons in the state of the host why this run does not change it. */
  readonly forbidden: readonly Problem[]
  readonly notices: readonly { readonly role: string; readonly what: string }[]
  /** Orphans that this run keeps. */
  readonly orphans: readonly Orphan[]
}

export interface ExamineOptions {
  readonly selected: Selection
  readonly allowDataLoss: ReadonlySet<string>
  readonly prune: boolean
  readonly project: ProjectPlaybooks
}

/**
 * Asks the kinds about each host. A host whose state forbids a change, or whose examination fails, is lost, and the others are examined
 * without it. Throws `Problems` if an authority on a host is unknown to the site: the run would replace it everywhere.
 */
export const examineHosts = async (
  observed: readonly ObservedHost[],
  options: ExamineOptions,
): Promise<{ readonly examined: readonly ExaminedHost[]; readonly lost: readonly Problem[] }> => {
  const observations = observationsOf(observed)
  const answers = await Promise.allSettled(
    observed.map((one) => onHost(one.session.host, { call: 'plan of this host' }, () => examine(one, observations, options))),
  )
  const examined = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
  const unknown = unknownAuthorities(examined.map(reachedOf), options.selected, new Date())
  if (unknown.length > 0) throw new Problems(unknown)
  const forbidden = forbiddenHosts(examined)
  const lost = [...failuresOf(answers), ...[...forbidden.values()].flat()]
  if (lost.length === 0) return { examined, lost }
  const again = await examineHosts(
    examined.filter(({ session }) => !forbidden.has(session.host)),
    options,
  )
  return { ...again, lost: [...lost, ...again.lost] }
}

/** The hosts that this run does not change, and why: by their own state, or by that of a host with which they share a resource. */
const forbiddenHosts = (examined: readonly ExaminedHost[]): ReadonlyMap<string, readonly Problem[]> => {
  const own = new Map(examined.flatMap(({ session, forbidden }) => (forbidden.length === 0 ? [] : [[session.host, forbidden] as const])))
  const shared = new Map([...own].flatMap(([host, problems]) => problems.map((problem) => [resourceOf(problem), host] as const)))
  const withThem = examined
    .filter(({ session }) => !own.has(session.host))
    .flatMap(({ session: { host }, resources }) => {
      const found = resources.find(({ resource }) => resource.kind.shared === true && shared.has(keyOf(resource)))
      if (found === undefined) return []
      const key = keyOf(found.resource)
      return [[host, [sharing({ host, role: found.role, resource: key }, shared.get(key) ?? '')]] as const]
    })
  return new Map([...own, ...withThem])
}

const resourceOf = ({ where }: Problem): string => ('resource' in where ? (where.resource ?? '') : '')

const sharing = (where: { readonly host: string; readonly role: string; readonly resource: string }, other: string): Problem =>
  new Problem({
    class: 'task',
    where,
    what: `shared with ${other}, whose state forbids a change`,
    fix: `correct the problem of ${other} first`,
  })

const reachedOf = ({ session: { host }, resources, observation }: ObservedHost) => ({ host, resources, observation })

const examine = (
  one: ObservedHost,
  observations: ReadonlyMap<string, Observation>,
  { selected, allowDataLoss, prune, project }: ExamineOptions,
): ExaminedHost => {
  const { resources, observation } = one
  const beside = { observations, allowDataLoss }
  const orphans = prune ? [] : orphansOn(resources, observation, selected)
  const bound = new Set(resources.flatMap(({ role, resource }) => (isOrphan(resource) ? [] : [role])))
  const missing = (role: string) => (bound.has(role) ? [] : missingOf(role, { records: one.session.owned, project }))
  // The authorities of all hosts are judged together. This call shows only whether a kind fails on this host.
  unknownAuthorities([reachedOf(one)], selected, new Date())
  return {
    ...one,
    orphans,
    forbidden: forbiddenOn(reachedOf(one), selected, beside),
    notices: [
      ...noticesOf(resources, observation, beside),
      ...unfinishedOf({ resources, observation, selected, ...beside, now: new Date() }),
      ...orphanNotices(orphans, missing),
    ],
  }
}
