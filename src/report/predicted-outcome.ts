import type { Outcome, Plan } from '../engine/plan/plan.ts'

/** Returns the outcome of a dry run, and of a run that has nothing to apply. */
export const predictedOutcome = (
  { changes, resources }: Plan,
  targets: readonly string[],
  failed: boolean,
  durationMs: number,
): Outcome => ({
  result: failed ? 'failed' : changes.length > 0 ? 'changed' : 'converged',
  durationMs,
  hosts: targets.map((host) => ({
    host,
    resources: resources.get(host) ?? 0,
    changed: changes.filter((change) => change.host === host).length,
    failed: 0,
    unreachable: !resources.has(host),
  })),
})
