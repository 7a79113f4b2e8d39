import { type Problem, problemsIn } from '../problem.ts'
import { CONTROLLER, type HostOutcome, type Outcome } from './plan.ts'
import type { ApplyOptions, Planned } from './planned.ts'
import { prove } from './prove.ts'
import { carryOutPlay } from './rolling.ts'
import { RunProgress } from './tally.ts'

/** Carries a plan out, play by play, and proves it: every host that was changed is observed again, whole. Never throws a `Problem`. */
export const apply = async (planned: Planned, options: ApplyOptions): Promise<Outcome & { problems: readonly Problem[] }> => {
  const started = performance.now()
  const tally = new RunProgress(options.listen)
  if (await makeIdentities(planned, tally, options)) await carryOut(planned, tally, options)
  const hosts = outcomes(planned, tally)
  const failed = tally.problems.length > 0 || hosts.some((host) => host.failed > 0 || host.unreachable) || options.signal.aborted
  const result = failed
    ? 'failed'
    : hosts.some(({ changed }) => changed > 0) || tally.changed(CONTROLLER) > 0 || tally.hasDeferred
      ? 'changed'
      : 'converged'
  const problems = [...planned.unreachable, ...tally.problems]
  return { result, durationMs: performance.now() - started, hosts, prediction: tally.prediction, problems }
}

const carryOut = async (planned: Planned, tally: RunProgress, options: ApplyOptions): Promise<void> => {
  for (const [index, play] of planned.prepared.site.plays.entries()) if (!(await carryOutPlay(play, index, planned, tally, options))) break
  const changed = [...planned.surveyed.values()].filter(({ session: { host } }) => tally.changed(host) > 0 && !tally.isExcluded(host))
  if (!options.signal.aborted) await prove(changed, planned, tally, options)
}

/** Identities come first: what hosts are given is made from them. Without them nothing is begun. */
const makeIdentities = async ({ plan, identities }: Planned, tally: RunProgress, { signal }: ApplyOptions): Promise<boolean> => {
  for (const change of plan.changes.filter(({ host }) => host === CONTROLLER)) {
    if (signal.aborted) return false
    try {
      await tally.timed(change, () => identities.make(change.resource))
    } catch (error) {
      const problems = problemsIn(error)
      if (problems === undefined) throw error
      tally.fail(change, problems)
      return false
    }
  }
  return true
}

const outcomes = ({ prepared, plan }: Planned, tally: RunProgress): readonly HostOutcome[] =>
  prepared.targets.map((host) => ({
    host,
    resources: plan.resources.get(host) ?? 0,
    changed: tally.changed(host),
    failed: tally.failed(host),
    unreachable: !plan.resources.has(host) || tally.isLost(host),
  }))
