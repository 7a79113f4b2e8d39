import { covers } from '../database/gtid.ts'
import { HostRefusal } from '../kind/step.ts'
import type { OtherServer } from './away.ts'
import type { ServerStatus } from './observe.ts'
import { addressOf, couldHaveRows, nameOf } from './plan.ts'
import { seed } from './seed.ts'
import { executeSql, follow, type Procedure, type ReplicationWork, reachedBy, reachesPosition, statusOn } from './steps.ts'

/**
 * Comes to where the server that is written to is by now, while that goes on: what comes since is little, and only for that nobody takes
 * writes.
 */
export function* catchUpWhileWriting(
  one: ReplicationWork,
  before: ServerStatus,
  writer: OtherServer,
  missing: readonly string[],
): Procedure<void> {
  const { me } = one.spec
  yield* catchUp(one, before, [writer], { missing })
  for (let i = 0; i < 12; i++) {
    const now = yield* statusOn(writer.host)
    if (now === undefined) throw writerUnavailable(me, writer.host)
    if (yield* reachesPosition(now.position, undefined, MAX_LAG_S)) return
  }
  const why = (yield* statusOn())?.source?.error ?? `for a minute it was never less than ${MAX_LAG_S} s behind`
  throw new HostRefusal(
    `${me} does not keep up with ${writer.host}`,
    why,
    `${writer.host} goes on taking writes; run again when it has less to do, or see SHOW SLAVE STATUS on ${me}`,
  )
}

const MAX_LAG_S = 5

/** Has everything that any of the others has. */
export function* catchUp(
  one: ReplicationWork,
  before: ServerStatus,
  others: readonly OtherServer[],
  { missing, seconds }: { readonly missing: readonly string[]; readonly seconds?: number | undefined },
): Procedure<void> {
  const { spec } = one
  const followsLost = before.source !== undefined && missing.includes(nameOf(spec, before.source.address))
  if (followsLost) {
    // What it got and has not done yet counts.
    yield* executeSql('STOP SLAVE IO_THREAD;', 'the server goes on listening to another')
    if (!(yield* reachesPosition(before.source?.received ?? '', undefined, seconds)))
      throw notCaughtUp(spec.me, before.source?.received ?? '')
  }
  for (const { host, status } of others) {
    const wanted = status.source === undefined ? status.position : yield* appliedPosition(host, status)
    const now = yield* statusOn()
    if (covers(now?.position ?? '', wanted)) continue
    const follows = now?.source
    if (follows === undefined && before.position === '') {
      // A fresh host of the name of an old one: nothing of its own was ever in replication.
      if (!couldHaveRows(reachedBy(one), host)) continue
      if (one.state.databases.length > 0 && one.allowDataLoss?.has(spec.me) !== true) throw wouldLoseOwnData(one, host)
      yield* seed(spec, mostAdvanced(spec.me, others).host)
      continue
    }
    const direct = follows?.address === addressOf(spec, host) && follows.receives !== 'no'
    const failure = direct ? undefined : yield* follow(spec, host, false)
    if (failure !== undefined || !(yield* reachesPosition(wanted, undefined, seconds))) throw notCaughtUp(spec.me, wanted, failure)
  }
}

/** Whose data go furthest. */
export const mostAdvanced = (me: string, others: readonly OtherServer[]): OtherServer => {
  const [first, ...rest] = others
  if (first === undefined)
    throw new HostRefusal(
      `${me} has no data, and nobody runs who could give it some`,
      'no other server was reached',
      'run again without --limit',
    )
  return rest.reduce((best, other) => (covers(best.status.position, other.status.position) ? best : other), first)
}

/** What a replica of a lost primary got from it, once it has done all of that. */
function* appliedPosition(host: string, { source, position }: ServerStatus): Procedure<string> {
  if (source === undefined || source.receives === 'yes' || !source.applies) return position
  yield* reachesPosition(source.received, host, 60)
  return (yield* statusOn(host))?.position ?? position
}

const notCaughtUp = (me: string, wanted: string, failure?: string): HostRefusal =>
  new HostRefusal(
    `${me} does not come to have everything`,
    failure ?? `it has not reached transaction ${wanted}`,
    'see SHOW SLAVE STATUS there; who was the primary goes on',
  )

const wouldLoseOwnData = ({ spec: { me }, state }: ReplicationWork, host: string): HostRefusal =>
  new HostRefusal(
    `${me} does not get the data of ${host}, because it would lose data of its own`,
    `it has nothing of what ${host} has, and has ${state.databases.join(', ')}`,
    `save them; then \`provision run --allow-data-loss ${me}\` replaces them by the data of ${host}`,
  )

/** What cannot be asked any more could have taken writes since. */
export const writerUnavailable = (me: string, writer: string): HostRefusal =>
  new HostRefusal(
    `${me} is not made the primary`,
    `the server of ${writer} answers no more`,
    `see what is wrong with ${writer}, and run again`,
  )
