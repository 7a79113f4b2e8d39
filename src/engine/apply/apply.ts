import type { Problem } from '../../problem.ts'
import { problemsOn } from '../failure.ts'
import { CONTROLLER, type HostOutcome, type Outcome, unplannedOf } from '../plan/plan.ts'
import { forgetRetired, isOfRecord, isRetirement, recordFound } from '../plan/retirement.ts'
import type { Run } from '../run-state.ts'
import { prove } from './prove.ts'
import { rollOutPlay } from './rollout.ts'
import { proveServing } from './serving.ts'
import { settleRecords } from './settle-records.ts'

/** Applies a plan, play by play, and proves it: observes every changed host again, completely. Never throws a `Problem`. */
export const apply = async (run: Run): Promise<Outcome & { problems: readonly Problem[] }> => {
  const started = performance.now()
  if (await makeIdentities(run)) await applyPlays(run)
  await settleRecords(run)
  await retireHosts(run)
  const hosts = outcomes(run)
  const failed =
    run.progress.problems.length > 0 ||
    hosts.some((host) => host.failed > 0 || host.unreachable || host.unplanned !== undefined) ||
    run.signal.aborted
  const result = failed
    ? 'failed'
    : hosts.some(({ changed }) => changed > 0) || run.progress.changed(CONTROLLER) > 0 || run.progress.hasDeferred
      ? 'changed'
      : 'converged'
  const problems = [...run.unreachable, ...run.progress.problems]
  return { result, durationMs: performance.now() - started, hosts, prediction: run.progress.prediction, problems }
}

const applyPlays = async (run: Run): Promise<void> => {
  for (const [index, play] of run.prepared.site.plays.entries()) if (!(await rollOutPlay(run, play, index))) break
  const changed = [...run.hosts.values()].filter(
    ({ session: { host } }) => run.progress.changed(host) > 0 && !run.progress.isExcluded(host),
  )
  if (run.signal.aborted) return
  await prove(run, changed)
  await proveServing(run)
}

/**
 * Creates identities before anything else, because the files of hosts depend on them, and records hosts with certificates. False if one
 * failed: no host is changed then.
 */
const makeIdentities = async ({ prepared, plan, hosts, identities, progress, signal }: Run): Promise<boolean> => {
  for (const change of plan.changes.filter((one) => one.host === CONTROLLER && !isRetirement(one))) {
    if (signal.aborted) return false
    try {
      if (isOfRecord(change)) await progress.timed(change, async () => recordFound(prepared, hosts.values(), change))
      else await progress.timed(change, () => identities.make(change.resource))
    } catch (error) {
      const call = isOfRecord(change) ? 'record of this host' : 'creation of this identity'
      progress.fail(change, problemsOn(CONTROLLER, error, { call, resource: change.resource }))
      return false
    }
  }
  return true
}

/** Retires hosts once every other host is in its new state, such as a firewall that refuses them. */
const retireHosts = async (run: Run): Promise<void> => {
  const { prepared, plan, progress, unreachable, signal } = run
  if (unreachable.length > 0 || progress.problems.length > 0 || signal.aborted) return
  for (const change of plan.changes.filter(isRetirement)) await progress.timed(change, async () => forgetRetired(prepared, change))
}

const outcomes = ({ prepared, plan, progress, unreachable }: Run): readonly HostOutcome[] =>
  prepared.targets.map((host) => ({
    host,
    resources: plan.resources.get(host) ?? 0,
    changed: progress.changed(host),
    failed: progress.failed(host),
    ...(plan.resources.has(host) ? { unreachable: progress.isLost(host) } : unplannedOf(host, unreachable)),
  }))
