import { problemsIn } from '../problem.ts'
import type { Play } from '../site/site.ts'
import { batches } from './batches.ts'
import { type DrainedHost, putBack, takeOut } from './drain.ts'
import type { ApplyOptions, Planned, Surveyed } from './planned.ts'
import { applyPlay, hasWork } from './play.ts'
import { renew } from './renew.ts'
import { revert } from './revert.ts'
import type { RunProgress } from './tally.ts'
import { type Sequencer, sequencerOf } from './turns.ts'

/**
 * Carries one play out, so many hosts at a time. False when more of them failed than may: few at a time means that what does harm
 * does it to few, so all the others are left as they are.
 */
export const carryOutPlay = async (
  play: Play,
  index: number,
  planned: Planned,
  tally: RunProgress,
  options: ApplyOptions,
): Promise<boolean> => {
  const isBroken = ({ session }: Surveyed): boolean => tally.isExcluded(session.host)
  const busy = play.hosts
    .flatMap((host) => planned.surveyed.get(host) ?? [])
    .filter((surveyed) => !isBroken(surveyed) && hasWork(surveyed, index))
  const parts = batches(busy, play.serial)
  for (const [i, batch] of parts.entries()) {
    if (options.signal.aborted) return false
    // What was observed before anything was written is still true.
    const hosts = tally.writes === 0 ? batch : await renew(batch, planned, tally)
    const turns = sequencerOf(hosts, index, planned.everywhere)
    if (play.serial.length === 0) await Promise.all(hosts.map((surveyed) => applyPlay(surveyed, index, planned, tally, options, turns)))
    else await roll(hosts, index, planned, tally, options, turns)
    const failed = busy.filter(isBroken)
    if (play.serial.length === 0 || failed.length <= play.maxFailures) continue
    const left = parts.slice(i + 1).flat()
    if (left.length > 0) options.listen({ type: 'warning', what: stopped(play, failed, left) })
    return false
  }
  return true
}

/** Changes some hosts while they are out of service wherever a role takes them out. None is changed if not all of them can be out. */
const roll = async (
  hosts: readonly Surveyed[],
  index: number,
  planned: Planned,
  tally: RunProgress,
  options: ApplyOptions,
  turns: Sequencer,
): Promise<void> => {
  const names = hosts.map(({ session }) => session.host)
  try {
    const outs = await takeOut(names, planned, options)
    await Promise.all(
      hosts.map((surveyed) => {
        const mine = outs.filter(({ draining }) => draining.member === surveyed.session.host)
        return changeWhileOut(surveyed, mine, index, planned, tally, options, turns)
      }),
    )
  } catch (error) {
    const problems = error === options.signal.reason ? [] : problemsIn(error)
    if (problems === undefined) throw error
    for (const [i, name] of names.entries()) tally.exclude(name, i === 0 ? problems : [])
  }
}

/** Changes one host and puts it back into service; what it was given is put back where it then is not well. */
const changeWhileOut = async (
  surveyed: Surveyed,
  outs: readonly DrainedHost[],
  index: number,
  planned: Planned,
  tally: RunProgress,
  options: ApplyOptions,
  turns: Sequencer,
): Promise<void> => {
  const { host } = surveyed.session
  const made = await applyPlay(surveyed, index, planned, tally, options, turns)
  const refused = tally.isExcluded(host)
  if (refused && !tally.isLost(host)) await revert(made, surveyed, planned, tally, options)
  const problems = await putBack(outs, options)
  if (problems.length === 0) return
  tally.exclude(host, problems)
  // A balancer that was lost says nothing of the host.
  const isIll = problems.some((problem) => problem.class !== 'unreachable')
  if (!refused && isIll && (await revert(made, surveyed, planned, tally, options))) tally.exclude(host, await putBack(outs, options))
}

const stopped = ({ name, maxFailures }: Play, failed: readonly Surveyed[], left: readonly Surveyed[]): string =>
  `play ${name} was ended: ${names(failed)} failed, and max_failures is ${maxFailures}; ${names(left)} ${left.length === 1 ? 'was' : 'were'} not touched`

const names = (hosts: readonly Surveyed[]): string => hosts.map(({ session }) => session.host).join(', ')
