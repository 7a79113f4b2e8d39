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
export interface Met {
  readonly session: Session
  readonly placed: readonly DeclaredResource[]
  readonly seen: Observation
}

/** The plan of each host, and the observations of all. */
export interface Surveys {
  readonly surveys: readonly RunHost[]
  readonly everywhere: Map<string, Observation>
  /** Problems of hosts that became unreachable meanwhile. */
  readonly lost: readonly Problem[]
}

/** Plans each host and reads the old texts of its diffs. If a host becomes unreachable, the others are planned again without it. */
export const surveyed = async (met: readonly Met[], selected: Selection, allowDataLoss: ReadonlySet<string>): Promise<Surveys> => {
  const everywhere = seenOn(met)
  const answers = await Promise.allSettled(met.map((one) => survey(one, everywhere, selected, allowDataLoss)))
  const lost = failuresOf(answers)
  const surveys = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
  if (lost.length === 0) return { surveys, everywhere, lost }
  const again = await surveyed(
    met.filter((_, i) => answers[i]?.status === 'fulfilled'),
    selected,
    allowDataLoss,
  )
  return { ...again, lost: [...lost, ...again.lost] }
}

export const seenOn = (met: readonly Met[]): Map<string, Observation> => new Map(met.map(({ session, seen }) => [session.host, seen]))

const survey = async (
  { session, placed, seen }: Met,
  everywhere: ReadonlyMap<string, Observation>,
  selected: Selection,
  allowDataLoss: ReadonlySet<string>,
): Promise<RunHost> => {
  const due = planHost({ placed, seen, everywhere, selected, allowDataLoss, now: new Date() })
  const diffs = await diffsOf(session.shell, due)
  return { session, placed, due, changes: due.map((one) => changeOf(session.host, one, diffs.get(keyOf(one.resource)))) }
}

const changeOf = (host: string, { play, role, resource, change: verdict }: PendingChange, diffs: Diffs | undefined): PlannedChange => ({
  host,
  role,
  resource: keyOf(resource),
  action: verdict.action,
  certainty: verdict.certainty,
  reason: verdict.reason,
  differences: verdict.differences,
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
