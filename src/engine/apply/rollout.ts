import type { Play } from '../../site/site.ts'
import { problemsOn } from '../failure.ts'
import type { Run, RunHost } from '../run-state.ts'
import { batches } from './batches.ts'
import { type DrainedHost, putBack, takeOut } from './drain.ts'
import { applyPlay, type Batch, hasWork } from './play.ts'
import { renew } from './renew.ts'
import { revert } from './revert.ts'
import { sequencerOf } from './sequencer.ts'

/**
 * Applies one play, batch by batch. False if more of its hosts failed than `max_failures` allows: the remaining hosts are then left
 * unchanged, and no later play begins. Hosts that were not reached or failed in an earlier play count too.
 */
export const rollOutPlay = async (run: Run, play: Play, index: number): Promise<boolean> => {
  const isExcluded = ({ session }: RunHost): boolean => run.progress.isExcluded(session.host)
  const busy = play.hosts.flatMap((host) => run.hosts.get(host) ?? []).filter((runHost) => !isExcluded(runHost) && hasWork(runHost, index))
  if (busy.length === 0) return true
  if (stops(run, play, { index, left: busy })) return false
  const parts = batches(busy, play.serial)
  for (const [i, batch] of parts.entries()) {
    if (run.signal.aborted) return false
    // Observations made before the first write are still valid.
    const hosts = run.progress.writes === 0 ? batch : await renew(run, batch)
    const sequencer = sequencerOf(hosts, index, run.observations)
    if (play.serial.length === 0) await Promise.all(hosts.map((host) => applyPlay(run, host, { index, sequencer })))
    else await changeDrained(run, hosts, { index, sequencer })
    if (stops(run, play, { index, left: parts.slice(i + 1).flat() })) return false
  }
  return true
}

/** Whether a rolling play has more failed hosts than it allows. Shows a warning about everything that is left unchanged. */
const stops = (run: Run, play: Play, { index, left }: { readonly index: number; readonly left: readonly RunHost[] }): boolean => {
  const hosts = play.hosts.filter((host) => run.prepared.targets.includes(host))
  const missing = hosts.filter((host) => !run.hosts.has(host))
  const failed = hosts.filter((host) => run.hosts.has(host) && run.progress.hasFailed(host))
  if (play.serial.length === 0 || missing.length + failed.length <= play.maxFailures) return false
  const isLater = [...run.hosts.values()].some(({ pending }) => pending.some((one) => one.play > index))
  if (left.length > 0 || isLater) run.listen({ type: 'warning', what: stopped(play, { missing, failed }, left) })
  return true
}

/** Changes hosts while they are out of service. If one of them cannot be taken out, none is changed. */
const changeDrained = async (run: Run, hosts: readonly RunHost[], batch: Batch): Promise<void> => {
  const names = hosts.map(({ session }) => session.host)
  try {
    const outs = await takeOut(run, names)
    await Promise.all(
      hosts.map((runHost) => {
        const mine = outs.filter(({ draining }) => draining.member === runHost.session.host)
        return changeWhileOut(run, runHost, mine, batch)
      }),
    )
  } catch (error) {
    const problems = error === run.signal.reason ? [] : problemsOn(names[0] ?? '', error, { call: 'taking this host out of service' })
    for (const [i, name] of names.entries()) run.progress.exclude(name, i === 0 ? problems : [])
  }
}

/** Changes one host and puts it back into service. Reverts its changes if a change fails or the host is unhealthy afterwards. */
const changeWhileOut = async (run: Run, runHost: RunHost, outs: readonly DrainedHost[], batch: Batch): Promise<void> => {
  const { host } = runHost.session
  const made = await applyPlay(run, runHost, batch)
  const refused = run.progress.isExcluded(host)
  if (refused && !run.progress.isLost(host)) await revert(run, runHost, made)
  const problems = await putBack(run, outs)
  if (problems.length === 0) return
  run.progress.exclude(host, problems)
  // An unreachable load balancer is no evidence about the host's health.
  const isUnhealthy = problems.some((problem) => problem.class !== 'unreachable')
  if (!refused && isUnhealthy && (await revert(run, runHost, made))) run.progress.exclude(host, await putBack(run, outs))
}

interface FailedHosts {
  readonly missing: readonly string[]
  readonly failed: readonly string[]
}

const stopped = ({ name, maxFailures }: Play, { missing, failed }: FailedHosts, left: readonly RunHost[]): string => {
  const were = (hosts: readonly string[], what: string): string => `${hosts.join(', ')} ${hosts.length === 1 ? 'was' : 'were'} ${what}`
  const reasons = [
    ...(failed.length === 0 ? [] : [`${failed.join(', ')} failed`]),
    ...(missing.length === 0 ? [] : [were(missing, 'not reached')]),
  ]
  const names = left.map(({ session }) => session.host)
  const unchanged = names.length === 0 ? 'later plays were not applied' : were(names, 'not changed')
  return `play ${name} stopped: ${reasons.join(', ')} (max_failures: ${maxFailures}); ${unchanged}`
}
