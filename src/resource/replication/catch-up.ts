import { covers } from '../database/gtid.ts'
import { HostRefusal } from '../kind/step.ts'
import type { Other } from './away.ts'
import type { Standing } from './observe.ts'
import { addressOf, couldHaveRows, nameOf } from './plan.ts'
import { seed } from './seed.ts'
import { type Asking, comesTo, follow, type ReplicationWork, reachedBy, standingOn, tell } from './steps.ts'

/**
 * Comes to where the server that is written to is by now, while that goes on: what comes since is little, and only for that nobody takes
 * writes.
 */
export function* comeNear(one: ReplicationWork, before: Standing, writer: Other, missing: readonly string[]): Asking<void> {
  const { me } = one.spec
  yield* catchUp(one, before, [writer], missing)
  for (let i = 0; i < 12; i++) {
    const now = yield* standingOn(writer.host)
    if (now === undefined) throw wentAway(me, writer.host)
    if (yield* comesTo(now.position, undefined, NEAR_S)) return
  }
  const why = (yield* standingOn())?.source?.error ?? `for a minute it was never less than ${NEAR_S} s behind`
  throw new HostRefusal(
    `${me} does not keep up with ${writer.host}`,
    why,
    `${writer.host} goes on taking writes; run again when it has less to do, or see SHOW SLAVE STATUS on ${me}`,
  )
}

const NEAR_S = 5

/** Has everything that any of the others has. */
export function* catchUp(
  one: ReplicationWork,
  before: Standing,
  others: readonly Other[],
  missing: readonly string[],
  seconds?: number,
): Asking<void> {
  const { spec } = one
  const followsLost = before.source !== undefined && missing.includes(nameOf(spec, before.source.address))
  if (followsLost) {
    // What it got and has not done yet counts.
    yield* tell('STOP SLAVE IO_THREAD;', 'the server goes on listening to another')
    if (!(yield* comesTo(before.source?.received ?? '', undefined, seconds))) throw behind(spec.me, before.source?.received ?? '')
  }
  for (const { host, standing } of others) {
    const wanted = standing.source === undefined ? standing.position : yield* doneOn(host, standing)
    const now = yield* standingOn()
    if (covers(now?.position ?? '', wanted)) continue
    const follows = now?.source
    if (follows === undefined && before.position === '') {
      // A fresh host of the name of an old one: nothing of its own was ever in replication.
      if (!couldHaveRows(reachedBy(one), host)) continue
      if (one.state.databases.length > 0 && one.allowDataLoss?.has(spec.me) !== true) throw ownData(one, host)
      yield* seed(spec, furthest(spec.me, others).host)
      continue
    }
    const direct = follows?.address === addressOf(spec, host) && follows.receives !== 'no'
    const failure = direct ? undefined : yield* follow(spec, host, false)
    if (failure !== undefined || !(yield* comesTo(wanted, undefined, seconds))) throw behind(spec.me, wanted, failure)
  }
}

/** Whose data go furthest. */
export const furthest = (me: string, others: readonly Other[]): Other => {
  const [first, ...rest] = others
  if (first === undefined)
    throw new HostRefusal(
      `${me} has no data, and nobody runs who could give it some`,
      'no other server was reached',
      'run again without --limit',
    )
  return rest.reduce((best, other) => (covers(best.standing.position, other.standing.position) ? best : other), first)
}

/** What a replica of a lost primary got from it, once it has done all of that. */
function* doneOn(host: string, { source, position }: Standing): Asking<string> {
  if (source === undefined || source.receives === 'yes' || !source.applies) return position
  yield* comesTo(source.received, host, 60)
  return (yield* standingOn(host))?.position ?? position
}

const behind = (me: string, wanted: string, failure?: string): HostRefusal =>
  new HostRefusal(
    `${me} does not come to have everything`,
    failure ?? `it has not reached transaction ${wanted}`,
    'see SHOW SLAVE STATUS there; who was the primary goes on',
  )

const ownData = ({ spec: { me }, state }: ReplicationWork, host: string): HostRefusal =>
  new HostRefusal(
    `${me} does not get the data of ${host}, because it would lose data of its own`,
    `it has nothing of what ${host} has, and has ${state.databases.join(', ')}`,
    `save them; then \`provision run --allow-data-loss ${me}\` replaces them by the data of ${host}`,
  )

/** What cannot be asked any more could have taken writes since. */
export const wentAway = (me: string, writer: string): HostRefusal =>
  new HostRefusal(
    `${me} is not made the primary`,
    `the server of ${writer} answers no more`,
    `see what is wrong with ${writer}, and run again`,
  )
