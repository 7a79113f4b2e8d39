import { Problem, Problems, problemsIn } from '../../problem.ts'
import { keyOf } from '../../resource/kind/kind.ts'
import { calling, onHost } from '../failure.ts'
import type { Observation } from '../observe/host-query.ts'
import type { Session } from '../observe/session.ts'
import type { RunHost } from '../run-state.ts'
import type { DeclaredResource } from './declared.ts'
import { type Diffs, diffsOf } from './diff.ts'
import { updatedLaters } from './identities.ts'
import type { PlannedChange } from './plan.ts'
import { type PendingChange, planHost, type Selection } from './plan-host.ts'

/** A host that was reached: its declared resources and its observation. */
export interface ObservedHost {
  readonly session: Session
  readonly resources: readonly DeclaredResource[]
  readonly observation: Observation
}

/** The plan of each host, and the observations of all. */
export interface HostPlans {
  readonly planned: readonly RunHost[]
  readonly observations: Map<string, Observation>
  /** Problems of hosts that became unreachable meanwhile, or whose plan failed. */
  readonly lost: readonly Problem[]
}

export interface PlanHostsOptions {
  readonly selected: Selection
  readonly allowDataLoss: ReadonlySet<string>
}

/** Plans each host and reads the old texts of its diffs. If a host becomes unreachable or its plan fails, the others are planned again without it. */
export const planHosts = async (observed: readonly ObservedHost[], options: PlanHostsOptions): Promise<HostPlans> => {
  const observations = observationsOf(observed)
  const answers = await Promise.allSettled(
    observed.map((one) => onHost(one.session.host, { call: 'plan of this host' }, () => planOne(one, observations, options))),
  )
  const lost = failuresOf(answers)
  const planned = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
  if (lost.length === 0) return { planned, observations, lost }
  const again = await planHosts(
    observed.filter((_, i) => answers[i]?.status === 'fulfilled'),
    options,
  )
  return { ...again, lost: [...lost, ...again.lost] }
}

export const observationsOf = (observed: readonly ObservedHost[]): Map<string, Observation> =>
  new Map(observed.map(({ session, observation }) => [session.host, observation]))

const planOne = async (
  { session, resources, observation }: ObservedHost,
  observations: ReadonlyMap<string, Observation>,
  { selected, allowDataLoss }: PlanHostsOptions,
): Promise<RunHost> => {
  const pending = planHost({ resources, observation, observations, selected, allowDataLoss, now: new Date() })
  const diffs = await diffsOf(session.shell, pending)
  const changes = pending.map((one) => changeOf(session.host, one, diffs.get(keyOf(one.resource))))
  // Shows whether a kind fails on this host; the values are used once all hosts are planned.
  updatedLaters(pending)
  return { session, resources, pending, changes, issuers: issuersOf({ resources, observation }, selected) }
}

/** The identities that issued certificates on the host, sorted. */
const issuersOf = ({ resources, observation }: Pick<ObservedHost, 'resources' | 'observation'>, selected: Selection): readonly string[] => {
  const now = new Date()
  const found = resources.flatMap(({ role, resource: { kind, id, spec } }) => {
    if (!selected(role)) return []
    return (
      calling({ call: `issuer of kind ${kind.name}`, role }, () => kind.issuer?.(spec, observation.get(keyOf({ kind, id })), now)) ?? []
    )
  })
  return [...new Set(found)].toSorted()
}

const changeOf = (host: string, { play, role, resource, change }: PendingChange, diffs: Diffs | undefined): PlannedChange => ({
  host,
  role,
  resource: keyOf(resource),
  action: change.action,
  certainty: change.certainty,
  reason: change.reason,
  differences: change.differences,
  ...(change.attention === undefined ? {} : { attention: change.attention }),
  ...diffs,
  play,
  ...(resource.kind.bookkeeping === true && { bookkeeping: true }),
})

/**
 * The problems of the hosts that failed. Throws errors in files of the project, because they stop the whole run. An error whose place is a
 * host follows from what this host reported, and concerns this host only.
 */
export const failuresOf = (answers: readonly PromiseSettledResult<unknown>[]): readonly Problem[] => {
  const failures = answers.flatMap((answer) => {
    if (answer.status === 'fulfilled') return []
    const problems = problemsIn(answer.reason)
    if (problems === undefined) throw answer.reason
    return problems
  })
  const input = failures.filter((problem) => problem.class === 'input' && !('host' in problem.where))
  if (input.length > 0) throw new Problems(input)
  return failures.map(ofHost)
}

/** The same problem as the failure of a host, which does not mean that nothing was changed anywhere. */
const ofHost = (problem: Problem): Problem => {
  if (problem.class !== 'input') return problem
  const { where, what, why, fix } = problem
  return new Problem({ class: 'task', where, what, ...(why !== undefined && { why }), fix }, { cause: problem })
}
