import { Problem } from '../../problem.ts'
import { keyOf } from '../../resource/kind/kind.ts'
import { type PendingChange, planHost } from '../plan/plan-host.ts'
import type { Run, RunHost } from '../run-state.ts'
import { renew } from './renew.ts'

/** Observes the changed hosts again, whole: a plan that is not empty is an error with a name, not a surprise next week. */
export const prove = async (run: Run, hosts: readonly RunHost[]): Promise<void> => {
  await renew(run, membersBeside(run, hosts))
  for (const { session } of hosts) run.listen({ type: 'host', host: session.host, state: 'proving' })
  for (const surveyed of await renew(run, hosts)) {
    for (const due of stillDue(run, surveyed)) complain(run, surveyed, due)
    run.listen({ type: 'host', host: surveyed.session.host, state: 'done' })
  }
}

/** The state of a cluster member is observed on all members, including those that had nothing to change. */
const membersBeside = (run: Run, hosts: readonly RunHost[]): readonly RunHost[] => {
  const made = new Set(
    hosts.flatMap(({ changes }) => changes.filter((change) => run.progress.isApplied(change)).map(({ resource }) => resource)),
  )
  const isMember = ({ placed }: RunHost): boolean =>
    placed.some(({ resource }) => resource.kind.sequence !== undefined && made.has(keyOf(resource)))
  return [...run.hosts.values()].filter((one) => !hosts.includes(one) && !run.progress.isExcluded(one.session.host) && isMember(one))
}

const stillDue = ({ selected, observations: everywhere, allowDataLoss }: Run, { session, placed }: RunHost): readonly PendingChange[] =>
  planHost({ placed, seen: everywhere.get(session.host) ?? new Map(), everywhere, selected, allowDataLoss, now: new Date() })

const complain = (run: Run, { session: { host }, changes }: RunHost, due: PendingChange): void => {
  const change = changes.find(({ resource }) => resource === keyOf(due.resource))
  // What was put off, or what the run did not come to, is still due and nobody's fault.
  if (change !== undefined && (run.progress.isDeferred(change) || !run.progress.isApplied(change))) return
  if (change === undefined) {
    run.progress.unpredicted += 1
    run.progress.exclude(host, [unforetold(host, due)])
  } else run.progress.fail(change, [unconverged(host, due)])
}

const unconverged = (host: string, { role, resource, change: verdict }: PendingChange): Problem =>
  new Problem({
    class: 'task',
    where: { host, role: `role ${role}`, resource: keyOf(resource) },
    what: 'was applied and has not converged',
    why: `${verdict.reason}${verdict.differences.map(({ key, from, to }) => `; ${key}: ${from ?? '-'} → ${to ?? '-'}`).join('')}`,
    fix: 'something on the host changes it back, or two roles disagree: see who writes it',
  })

const unforetold = (host: string, { role, resource, change: verdict }: PendingChange): Problem =>
  new Problem({
    class: 'task',
    where: { host, role: `role ${role}`, resource: keyOf(resource) },
    what: 'was changed by this run although no plan foretold it',
    why: verdict.reason,
    fix: 'run again to mend it, and please report it: a plan that leaves something out is a defect of provision or of the role',
  })
