import { drainsOf } from '../../role/drains.ts'
import type { Prepared } from '../prepare.ts'
import type { PlannedChange, Rollout } from './plan.ts'

/** The rollouts of the plays that have `serial` and at least one change. */
export const rolloutsOf = (
  { site, bindings }: Pick<Prepared, 'site' | 'bindings'>,
  changes: readonly Pick<PlannedChange, 'host' | 'play'>[],
): readonly Rollout[] =>
  site.plays.flatMap(({ serial, maxFailures }, play) => {
    const hosts = new Set(changes.filter((change) => change.play === play).map(({ host }) => host))
    if (serial.length === 0 || hosts.size === 0) return []
    const at = [...new Set([...hosts].flatMap((host) => drainsOf(bindings, host).map((drain) => drain.at)))]
    return [{ play, serial, at, maxFailures }]
  })
