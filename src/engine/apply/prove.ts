import { Problem } from '../../problem.ts'
import { keyOf } from '../../resource/kind/kind.ts'
import { changeWithKey } from '../by-key.ts'
import { problemsOn } from '../failure.ts'
import { type PendingChange, planHost } from '../plan/plan-host.ts'
import type { Run, RunHost } from '../run-state.ts'
import { renew } from './renew.ts'

/** Observes the changed hosts again, completely, and records a problem for every resource that still differs. */
export const prove = async (run: Run, hosts: readonly RunHost[]): Promise<void> => {
  await renew(run, membersBeside(run, hosts))
  for (const { session } of hosts) run.listen({ type: 'host', host: session.host, state: 'proving' })
  for (const runHost of await renew(run, hosts)) {
    const { host } = runHost.session
    try {
      for (const pending of stillPending(run, runHost)) report(run, runHost, pending)
    } catch (error) {
      run.progress.exclude(host, problemsOn(host, error))
    }
    run.listen({ type: 'host', host, state: 'done' })
  }
}

/** The unchanged members of clusters in which a member was changed: a member is planned by the states of all. */
const membersBeside = (run: Run, hosts: readonly RunHost[]): readonly RunHost[] => {
  const made = new Set(
    hosts.flatMap(({ changes }) => changes.filter((change) => run.progress.isApplied(change)).map(({ resource }) => resource)),
  )
  const isMember = ({ resources }: RunHost): boolean =>
    resources.some(({ resource }) => resource.kind.sequence !== undefined && made.has(keyOf(resource)))
  return [...run.hosts.values()].filter((one) => !hosts.includes(one) && !run.progress.isExcluded(one.session.host) && isMember(one))
}

const stillPending = ({ selected, observations, allowDataLoss }: Run, { session, resources }: RunHost): readonly PendingChange[] =>
  planHost({ resources, observation: observations.get(session.host) ?? new Map(), observations, selected, allowDataLoss, now: new Date() })

const report = (run: Run, { session: { host }, changes }: RunHost, pending: PendingChange): void => {
  const change = changeWithKey(changes, keyOf(pending.resource))
  // A deferred change, or one that the run did not reach, is expected to be pending.
  if (change !== undefined && (run.progress.isDeferred(change) || !run.progress.isApplied(change))) return
  if (change === undefined) {
    run.progress.unpredicted += 1
    run.progress.exclude(host, [unpredicted(host, pending)])
  } else run.progress.fail(change, [unconverged(host, pending)])
}

const unconverged = (host: string, { role, resource, change }: PendingChange): Problem =>
  new Problem({
    class: 'task',
    where: { host, role: `role ${role}`, resource: keyOf(resource) },
    what: 'resource was applied and has not converged',
    why: `${change.reason}${change.differences.map(({ key, from, to }) => `; ${key}: ${from ?? '-'} → ${to ?? '-'}`).join('')}`,
    fix: 'find out which program on the host, or which other role, changes it back',
  })

const unpredicted = (host: string, { role, resource, change }: PendingChange): Problem =>
  new Problem({
    class: 'task',
    where: { host, role: `role ${role}`, resource: keyOf(resource) },
    what: 'resource differs after the run and was not in the plan',
    why: change.reason,
    fix:
      change.certainty === 'opaque'
        ? 'run again; name in its `when` the resource whose change makes it necessary, so that the next plan knows'
        : 'run again to correct it, and report this message: an incomplete plan is a defect of provision or of the role',
  })
