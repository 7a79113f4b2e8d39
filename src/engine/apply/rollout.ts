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
 * Applies one play, batch by batch. False if more hosts failed than `max_failures` allows: the remaining hosts are then left unchanged.
 */
export const rollOutPlay = async (run: Run, play: Play, index: number): Promise<boolean> => {
  const isExcluded = ({ session }: RunHost): boolean => run.progress.isExcluded(session.host)
  const busy = play.hosts.flatMap((host) => run.hosts.get(host) ?? []).filter((runHost) => !isExcluded(runHost) && hasWork(runHost, index))
  const parts = batches(busy, play.serial)
  for (const [i, batch] of parts.entries()) {
    if (run.signal.aborted) return false
    // Observations made before the first write are still valid.
    const hosts = run.progress.writes === 0 ? batch : await renew(run, batch)
    const sequencer = sequencerOf(hosts, index, run.observations)
    if (play.serial.length === 0) await Promise.all(hosts.map((host) => applyPlay(run, host, { index, sequencer })))
    else await changeDrained(run, hosts, { index, sequencer })
    const failed = busy.filter(isExcluded)
    if (play.serial.length === 0 || failed.length <= play.maxFailures) continue
    const left = parts.slice(i + 1).flat()
    if (left.length > 0) run.listen({ type: 'warning', what: stopped(play, failed, left) })
    return false
  }
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

const stopped = ({ name, maxFailures }: Play, failed: readonly RunHost[], left: readonly RunHost[]): string =>
  `play ${name} stopped: ${names(failed)} failed (max_failures: ${maxFailures}); ${names(left)} ${left.length === 1 ? 'was' : 'were'} not changed`

const names = (hosts: readonly RunHost[]): string => hosts.map(({ session }) => session.host).join(', ')
