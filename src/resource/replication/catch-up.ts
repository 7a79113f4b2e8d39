import { covers } from '../database/gtid.ts'
import { HostRefusal } from '../kind/step.ts'
import type { OtherServer } from './away.ts'
import { REPLICATION_SQL } from './dialect.ts'
import type { ServerStatus } from './observe.ts'
import { addressOf, couldHaveRows, nameOf } from './plan.ts'
import { seed } from './seed.ts'
import type { ReplicationSpec } from './spec.ts'
import { executeSql, follow, type Procedure, type ReplicationWork, reachedBy, reachesPosition, statusOn } from './steps.ts'

/** Catches up with the current primary while it accepts writes, so that writes stop only for the small rest. */
export function* catchUpWhileWriting(
  one: ReplicationWork,
  before: ServerStatus,
  writer: OtherServer,
  missing: readonly string[],
): Procedure<void> {
  const { spec } = one
  const { me } = spec
  yield* catchUp(one, before, [writer], { missing })
  for (let i = 0; i < 12; i++) {
    const now = yield* statusOn(spec, writer.host)
    if (now === undefined) throw writerUnavailable(me, writer.host)
    if (yield* reachesPosition(spec, now.position, undefined, MAX_LAG_S)) return
  }
  const why = (yield* statusOn(spec))?.source?.error ?? `its lag stayed above ${MAX_LAG_S} s for a minute`
  throw new HostRefusal(
    `${me} not promoted: it does not keep up with ${writer.host}`,
    why,
    `run again when ${writer.host} has fewer writes, or find the cause on ${me}: ${REPLICATION_SQL[spec.flavour].show}; ${writer.host} still accepts writes`,
  )
}

const MAX_LAG_S = 5

/** Replicates everything that the other servers have. */
export function* catchUp(
  one: ReplicationWork,
  before: ServerStatus,
  others: readonly OtherServer[],
  { missing, seconds }: { readonly missing: readonly string[]; readonly seconds?: number | undefined },
): Procedure<void> {
  const { spec } = one
  const followsLost = before.source !== undefined && missing.includes(nameOf(spec, before.source.address))
  if (followsLost) {
    // Received transactions count, also if they are not applied yet.
    yield* executeSql(spec, REPLICATION_SQL[spec.flavour].stopReceiving, 'replication not stopped')
    if (!(yield* reachesPosition(spec, before.source?.received ?? '', undefined, seconds)))
      throw notCaughtUp(spec, before.source?.received ?? '')
  }
  for (const { host, status } of others) {
    const wanted = status.source === undefined ? status.position : yield* appliedPosition(spec, host, status)
    const now = yield* statusOn(spec)
    if (covers(now?.position ?? '', wanted)) continue
    const follows = now?.source
    if (follows === undefined && before.position === '') {
      // A fresh host with the name of an old one: it was never in replication.
      if (!couldHaveRows(reachedBy(one), host)) continue
      if (one.state.databases.length > 0 && one.allowDataLoss?.has(spec.me) !== true) throw wouldLoseOwnData(one, host)
      yield* seed(spec, one.state.databases, mostAdvanced(spec.me, others).host)
      continue
    }
    const direct = follows?.address === addressOf(spec, host) && follows.receives !== 'no'
    const failure = direct ? undefined : yield* follow(spec, host, false)
    if (failure !== undefined || !(yield* reachesPosition(spec, wanted, undefined, seconds))) throw notCaughtUp(spec, wanted, failure)
  }
}

/** The server with the newest data. */
export const mostAdvanced = (me: string, others: readonly OtherServer[]): OtherServer => {
  const [first, ...rest] = others
  if (first === undefined)
    throw new HostRefusal(`${me} has no data, and no server to copy it from`, 'no other server was reached', 'run again without --limit')
  return rest.reduce((best, other) => (covers(best.status.position, other.status.position) ? best : other), first)
}

/** Position of a replica of a lost primary, after it has applied all received transactions. */
function* appliedPosition(spec: ReplicationSpec, host: string, { source, position }: ServerStatus): Procedure<string> {
  if (source === undefined || source.receives === 'yes' || !source.applies) return position
  yield* reachesPosition(spec, source.received, host, 60)
  return (yield* statusOn(spec, host))?.position ?? position
}

const notCaughtUp = ({ me, flavour }: ReplicationSpec, wanted: string, failure?: string): HostRefusal =>
  new HostRefusal(
    `${me} not promoted: it lacks transactions of the others`,
    failure ?? `it has not reached transaction ${wanted}`,
    `run on ${me}: ${REPLICATION_SQL[flavour].show}; the previous primary continues`,
  )

const wouldLoseOwnData = ({ spec: { me }, state }: ReplicationWork, host: string): HostRefusal =>
  new HostRefusal(
    `data of ${host} not copied to ${me}: it would lose its own data`,
    `it has no data of ${host}, but the databases ${state.databases.join(', ')}`,
    `save them, then run \`provision run --allow-data-loss ${me}\`, which replaces them by the data of ${host}`,
  )

/** Refuses if the primary stopped answering: it could have taken writes since. */
export const writerUnavailable = (me: string, writer: string): HostRefusal =>
  new HostRefusal(`${me} not promoted`, `the database server of ${writer} stopped answering`, `fix ${writer}, then run again`)
