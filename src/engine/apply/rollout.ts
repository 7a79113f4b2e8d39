import { problemsIn } from '../../problem.ts'
import type { Play } from '../../site/site.ts'
import type { Run, RunHost } from '../run-state.ts'
import { batches } from './batches.ts'
import { type DrainedHost, putBack, takeOut } from './drain.ts'
import { applyPlay, type Batch, hasWork } from './play.ts'
import { renew } from './renew.ts'
import { revert } from './revert.ts'
import { sequencerOf } from './sequencer.ts'

/**
 * Carries one play out, so many hosts at a time. False when more of them failed than may: few at a time means that what does harm
 * does it to few, so all the others are left as they are.
 */
export const carryOutPlay = async (run: Run, play: Play, index: number): Promise<boolean> => {
  const isBroken = ({ session }: RunHost): boolean => run.progress.isExcluded(session.host)
  const busy = play.hosts.flatMap((host) => run.hosts.get(host) ?? []).filter((surveyed) => !isBroken(surveyed) && hasWork(surveyed, index))
  const parts = batches(busy, play.serial)
  for (const [i, batch] of parts.entries()) {
    if (run.signal.aborted) return false
    // What was observed before anything was written is still true.
    const hosts = run.progress.writes === 0 ? batch : await renew(run, batch)
    const sequencer = sequencerOf(hosts, index, run.observations)
    if (play.serial.length === 0) await Promise.all(hosts.map((host) => applyPlay(run, host, { index, sequencer })))
    else await roll(run, hosts, { index, sequencer })
    const failed = busy.filter(isBroken)
    if (play.serial.length === 0 || failed.length <= play.maxFailures) continue
    const left = parts.slice(i + 1).flat()
    if (left.length > 0) run.listen({ type: 'warning', what: stopped(play, failed, left) })
    return false
  }
  return true
}

/** Changes some hosts while they are out of service wherever a role takes them out. None is changed if not all of them can be out. */
const roll = async (run: Run, hosts: readonly RunHost[], batch: Batch): Promise<void> => {
  const names = hosts.map(({ session }) => session.host)
  try {
    const outs = await takeOut(run, names)
    await Promise.all(
      hosts.map((surveyed) => {
        const mine = outs.filter(({ draining }) => draining.member === surveyed.session.host)
        return changeWhileOut(run, surveyed, mine, batch)
      }),
    )
  } catch (error) {
    const problems = error === run.signal.reason ? [] : problemsIn(error)
    if (problems === undefined) throw error
    for (const [i, name] of names.entries()) run.progress.exclude(name, i === 0 ? problems : [])
  }
}

/** Changes one host and puts it back into service; what it was given is put back where it then is not well. */
const changeWhileOut = async (run: Run, surveyed: RunHost, outs: readonly DrainedHost[], batch: Batch): Promise<void> => {
  const { host } = surveyed.session
  const made = await applyPlay(run, surveyed, batch)
  const refused = run.progress.isExcluded(host)
  if (refused && !run.progress.isLost(host)) await revert(run, surveyed, made)
  const problems = await putBack(run, outs)
  if (problems.length === 0) return
  run.progress.exclude(host, problems)
  // A balancer that was lost says nothing of the host.
  const isIll = problems.some((problem) => problem.class !== 'unreachable')
  if (!refused && isIll && (await revert(run, surveyed, made))) run.progress.exclude(host, await putBack(run, outs))
}

const stopped = ({ name, maxFailures }: Play, failed: readonly RunHost[], left: readonly RunHost[]): string =>
  `play ${name} was ended: ${names(failed)} failed, and max_failures is ${maxFailures}; ${names(left)} ${left.length === 1 ? 'was' : 'were'} not touched`

const names = (hosts: readonly RunHost[]): string => hosts.map(({ session }) => session.host).join(', ')
