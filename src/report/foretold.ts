import type { Outcome, Plan } from '../engine/plan/plan.ts'

/** What a plan would come to: the outcome of a dry run, and of a run that finds nothing to do. */
export const foretold = ({ changes, resources }: Plan, targets: readonly string[], failed: boolean, durationMs: number): Outcome => ({
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
