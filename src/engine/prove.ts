import { Problem } from '../problem.ts'
import { keyOf } from '../resource/kind/kind.ts'
import type { ApplyOptions, Planned, Surveyed } from './planned.ts'
import { type PendingChange, planHost } from './planning.ts'
import { renew } from './renew.ts'
import type { RunProgress } from './tally.ts'

/** Observes the changed hosts again, whole: a plan that is not empty is an error with a name, not a surprise next week. */
export const prove = async (hosts: readonly Surveyed[], planned: Planned, tally: RunProgress, { listen }: ApplyOptions): Promise<void> => {
  await renew(membersBeside(hosts, planned, tally), planned, tally)
  for (const { session } of hosts) listen({ type: 'host', host: session.host, state: 'proving' })
  for (const surveyed of await renew(hosts, planned, tally)) {
    for (const due of stillDue(surveyed, planned)) complain(surveyed, due, tally)
    listen({ type: 'host', host: surveyed.session.host, state: 'done' })
  }
}

/** What a member of a cluster has come to is told by the others, also by those that had nothing to change. */
const membersBeside = (hosts: readonly Surveyed[], { surveyed }: Planned, tally: RunProgress): readonly Surveyed[] => {
  const made = new Set(hosts.flatMap(({ changes }) => changes.filter((change) => tally.isApplied(change)).map(({ resource }) => resource)))
  const isMember = ({ placed }: Surveyed): boolean =>
    placed.some(({ resource }) => resource.kind.sequence !== undefined && made.has(keyOf(resource)))
  return [...surveyed.values()].filter((one) => !hosts.includes(one) && !tally.isExcluded(one.session.host) && isMember(one))
}

const stillDue = ({ session, placed }: Surveyed, { selected, everywhere, allowDataLoss }: Planned): readonly PendingChange[] =>
  planHost({ placed, seen: everywhere.get(session.host) ?? new Map(), everywhere, selected, allowDataLoss, now: new Date() })

const complain = ({ session: { host }, changes }: Surveyed, due: PendingChange, tally: RunProgress): void => {
  const change = changes.find(({ resource }) => resource === keyOf(due.resource))
  // What was put off, or what the run did not come to, is still due and nobody's fault.
  if (change !== undefined && (tally.isDeferred(change) || !tally.isApplied(change))) return
  if (change === undefined) {
    tally.unpredicted += 1
    tally.exclude(host, [unforetold(host, due)])
  } else tally.fail(change, [unconverged(host, due)])
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
