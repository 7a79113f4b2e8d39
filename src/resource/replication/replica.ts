import { covers } from '../database/gtid.ts'
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

/** Applies a replica. It becomes read-only before anything else. */
export function* applyReplica(one: ReplicationWork): Procedure<void> {
  const { spec, state } = one
  if (state.status?.writable === true) yield* makeReadOnly(spec)
  // A server with an incomplete copy does not start.
  if (state.seeding) {
    yield* requirePrimary(one)
    yield* seed(spec, undefined)
  }
  yield* applyService(one)
  const status = yield* statusOn(spec)
  if (status === undefined)
    throw new HostRefusal('database server does not answer', 'its service runs', `run on the host: journalctl -u ${spec.service.unit}`)
  if (status.writable) yield* makeReadOnly(spec)
  if (followsPrimary(spec, status)) return
  const primary = yield* requirePrimary(one)
  yield* join(one, status, primary)
  // Wait until it has caught up; a long backlog continues after the run.
  yield* reachesPosition(spec, primary.position, undefined, 60)
}

const followsPrimary = (spec: ReplicationSpec, { source }: ServerStatus): boolean =>
  source !== undefined && source.address === addressOf(spec, spec.primary) && isReplicating(source)

function* requirePrimary({ spec, members }: ReplicationWork): Procedure<ServerStatus> {
  if (members?.().has(spec.primary) !== true) throw primaryNotReady(spec.me, spec.primary, 'the primary was not reached')
  const status = yield* statusOn(spec, spec.primary)
  if (status === undefined) throw primaryNotReady(spec.me, spec.primary, 'the server of the primary does not answer')
  if (!status.writable) throw primaryNotReady(spec.me, spec.primary, 'the primary is not writable yet')
  return status
}

/**
 * Resumes replication if its data belongs to the history of the primary. A server without data copies all of it. Other data is kept, unless
 * it may be lost.
 */
function* join(one: ReplicationWork, status: ServerStatus, primary: ServerStatus): Procedure<void> {
  const { spec, state, allowDataLoss } = one
  const isFresh = state.databases.length === 0 && status.source === undefined
  const others = reachedBy(one).get(spec.primary)?.databases ?? []
  if (isFresh && others.length > 0) return yield* seed(spec, state.databases)
  const extra = isFresh ? undefined : extraTransactions(spec, status, primary)
  const failure = extra ?? (yield* follow(spec, spec.primary, isFresh))
  if (failure === undefined) return
  if (isFresh || allowDataLoss?.has(spec.me) === true) return yield* seed(spec, undefined)
  throw new HostRefusal(
    `${spec.me} not replicating from ${spec.primary}`,
    `${failure}\n${spec.me} is at transaction ${status.position || 'nothing'}, ${spec.primary} at ${primary.position || 'nothing'}; ${spec.me} is read-only and keeps its data`,
    `save rows that ${spec.primary} lacks, then run \`provision run --allow-data-loss ${spec.me}\`, which replaces its data by that of ${spec.primary}`,
  )
}

/** MySQL replicates also to a server with transactions that its source lacks. MariaDB refuses that by itself. */
const extraTransactions = ({ flavour, me, primary }: ReplicationSpec, own: ServerStatus, its: ServerStatus): string | undefined =>
  flavour === 'mysql' && !covers(its.position, own.position) ? `${me} has transactions that ${primary} lacks` : undefined
