import { type Problem, Problems, problemsIn } from '../../problem.ts'
import { keyOf } from '../../resource/kind/kind.ts'
import type { Observation } from '../observe/host-query.ts'
import type { Session } from '../observe/session.ts'
import type { RunHost } from '../run-state.ts'
import type { DeclaredResource } from './declared.ts'
import { type Diffs, diffsOf } from './diff.ts'
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
  /** Problems of hosts that became unreachable meanwhile. */
  readonly lost: readonly Problem[]
}

/** Plans each host and reads the old texts of its diffs. If a host becomes unreachable, the others are planned again without it. */
export const planHosts = async (
  observed: readonly ObservedHost[],
  selected: Selection,
  allowDataLoss: ReadonlySet<string>,
): Promise<HostPlans> => {
  const observations = observationsOf(observed)
  const answers = await Promise.allSettled(observed.map((one) => planOne(one, observations, selected, allowDataLoss)))
  const lost = failuresOf(answers)
  const planned = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
  if (lost.length === 0) return { planned, observations, lost }
  const again = await planHosts(
    observed.filter((_, i) => answers[i]?.status === 'fulfilled'),
    selected,
    allowDataLoss,
  )
  return { ...again, lost: [...lost, ...again.lost] }
}

export const observationsOf = (observed: readonly ObservedHost[]): Map<string, Observation> =>
  new Map(observed.map(({ session, observation }) => [session.host, observation]))

const planOne = async (
  { session, resources, observation }: ObservedHost,
  observations: ReadonlyMap<string, Observation>,
  selected: Selection,
  allowDataLoss: ReadonlySet<string>,
): Promise<RunHost> => {
  const pending = planHost({ resources, observation, observations, selected, allowDataLoss, now: new Date() })
  const diffs = await diffsOf(session.shell, pending)
  return { session, resources, pending, changes: pending.map((one) => changeOf(session.host, one, diffs.get(keyOf(one.resource)))) }
}

const changeOf = (host: string, { play, role, resource, change }: PendingChange, diffs: Diffs | undefined): PlannedChange => ({
  host,
  role,
  resource: keyOf(resource),
  action: change.action,
  certainty: change.certainty,
  reason: change.reason,
  differences: change.differences,
  ...diffs,
  play,
  ...(resource.kind.bookkeeping === true && { bookkeeping: true }),
})

/** The problems of the hosts that failed. Throws input errors, because they stop the whole run; any other failure concerns its host only. */
export const failuresOf = (answers: readonly PromiseSettledResult<unknown>[]): readonly Problem[] => {
  const failures = answers.flatMap((answer) => {
    if (answer.status === 'fulfilled') return []
    const problems = problemsIn(answer.reason)
    if (problems === undefined) throw answer.reason
    return problems
  })
  const input = failures.filter((problem) => problem.class === 'input')
  if (input.length > 0) throw new Problems(input)
  return failures
}
