import { type Outcome, type Plan, unplannedOf } from '../engine/plan/plan.ts'
import type { Problem } from '../problem.ts'

/** Returns the outcome of a dry run, and of a run that has nothing to apply. */
export const predictedOutcome = (
  { changes, resources }: Plan,
  targets: readonly string[],
  problems: readonly Problem[],
  durationMs: number,
): Outcome => ({
  result: problems.length > 0 ? 'failed' : changes.length > 0 ? 'changed' : 'converged',
  durationMs,
  hosts: targets.map((host) => ({
    host,
    resources: resources.get(host) ?? 0,
    changed: changes.filter((change) => change.host === host).length,
    failed: 0,
    ...(resources.has(host) ? { unreachable: false } : unplannedOf(host, problems)),
  })),
})
