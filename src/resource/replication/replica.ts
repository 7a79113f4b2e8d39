import { HostRefusal } from '../kind/step.ts'
import type { ServerStatus } from './observe.ts'
import { addressOf, isReplicating } from './plan.ts'
import { seed } from './seed.ts'
import type { ReplicationSpec } from './spec.ts'
import {
  applyService,
  follow,
  makeReadOnly,
  type Procedure,
  primaryNotReady,
  type ReplicationWork,
  reachedBy,
  reachesPosition,
  statusOn,
} from './steps.ts'

/** A server that follows the primary. Whatever else is to be done to it: first it takes no more writes. */
export function* applyReplica(one: ReplicationWork): Procedure<void> {
  const { spec, state } = one
  if (state.status?.writable === true) yield* makeReadOnly(spec)
  // With half of the data of another one it could not even start.
  if (state.seeding) {
    yield* requirePrimary(one)
    yield* seed(spec)
  }
  yield* applyService(one)
  const status = yield* statusOn()
  if (status === undefined) throw new HostRefusal('the server does not answer', 'it runs', `see journalctl -u ${spec.service.unit}`)
  if (status.writable) yield* makeReadOnly(spec)
  if (followsPrimary(spec, status)) return
  const primary = yield* requirePrimary(one)
  yield* join(one, status, primary)
  // What it missed meanwhile; where that is much, it goes on without us.
  yield* reachesPosition(primary.position, undefined, 60)
}

const followsPrimary = (spec: ReplicationSpec, { source }: ServerStatus): boolean =>
  source !== undefined && source.address === addressOf(spec, spec.primary) && isReplicating(source)

function* requirePrimary({ spec, members }: ReplicationWork): Procedure<ServerStatus> {
  if (members?.().has(spec.primary) !== true) throw primaryNotReady(spec.me, spec.primary, 'it is not part of this run')
  const status = yield* statusOn(spec.primary)
  if (status === undefined) throw primaryNotReady(spec.me, spec.primary, 'its server does not answer')
  if (!status.writable) throw primaryNotReady(spec.me, spec.primary, 'it has not become the primary')
  return status
}

/**
 * Goes on from where its own data end, if these are the primary's. What has no data gets all; what has others keeps them, unless they
 * may be lost.
 */
function* join(one: ReplicationWork, status: ServerStatus, primary: ServerStatus): Procedure<void> {
  const { spec, state, allowDataLoss } = one
  const isFresh = state.databases.length === 0 && status.source === undefined
  const others = reachedBy(one).get(spec.primary)?.databases ?? []
  if (isFresh && others.length > 0) return yield* seed(spec)
  const failure = yield* follow(spec, spec.primary, isFresh)
  if (failure === undefined) return
  if (isFresh || allowDataLoss?.has(spec.me) === true) return yield* seed(spec)
  throw new HostRefusal(
    `${spec.me} does not replicate from ${spec.primary}`,
    `${failure}\n${spec.me} stands at ${status.position || 'nothing'}, ${spec.primary} at ${primary.position || 'nothing'}; it takes no writes meanwhile, and keeps its data`,
    `where it has rows that ${spec.primary} has not, save them; then \`provision run --allow-data-loss ${spec.me}\` replaces its data by those of ${spec.primary}`,
  )
}
