import { HostRefusal } from '../kind/step.ts'
import type { Standing } from './observe.ts'
import { addressOf, isWell } from './plan.ts'
import type { ReplicationSpec } from './replication.ts'
import { seed } from './seed.ts'
import { type Asking, changing, close, comesTo, follow, type ReplicationWork, reachedBy, standingOn, waitsFor } from './steps.ts'

/** A server that follows the primary. Whatever else is to be done to it: first it takes no more writes. */
export function* seeToReplica(one: ReplicationWork): Asking<void> {
  const { spec, state } = one
  if (state.standing?.writable === true) yield* close(spec)
  // With half of the data of another one it could not even start.
  if (state.seeding) {
    yield* primaryOf(one)
    yield* seed(spec)
  }
  yield* changing(one)
  const standing = yield* standingOn()
  if (standing === undefined) throw new HostRefusal('the server does not answer', 'it runs', `see journalctl -u ${spec.service.unit}`)
  if (standing.writable) yield* close(spec)
  if (isRight(spec, standing)) return
  const primary = yield* primaryOf(one)
  yield* join(one, standing, primary)
  // What it missed meanwhile; where that is much, it goes on without us.
  yield* comesTo(primary.position, undefined, 60)
}

const isRight = (spec: ReplicationSpec, { source }: Standing): boolean =>
  source !== undefined && source.address === addressOf(spec, spec.primary) && isWell(source)

function* primaryOf({ spec, members }: ReplicationWork): Asking<Standing> {
  if (members?.().has(spec.primary) !== true) throw waitsFor(spec.me, spec.primary, 'it is not part of this run')
  const standing = yield* standingOn(spec.primary)
  if (standing === undefined) throw waitsFor(spec.me, spec.primary, 'its server does not answer')
  if (!standing.writable) throw waitsFor(spec.me, spec.primary, 'it has not become the primary')
  return standing
}

/**
 * Goes on from where its own data end, if these are the primary's. What has no data gets all; what has others keeps them, unless they
 * may be lost.
 */
function* join(one: ReplicationWork, standing: Standing, primary: Standing): Asking<void> {
  const { spec, state, allowDataLoss } = one
  const isFresh = state.databases.length === 0 && standing.source === undefined
  const others = reachedBy(one).get(spec.primary)?.databases ?? []
  if (isFresh && others.length > 0) return yield* seed(spec)
  const failure = yield* follow(spec, spec.primary, isFresh)
  if (failure === undefined) return
  if (isFresh || allowDataLoss?.has(spec.me) === true) return yield* seed(spec)
  throw new HostRefusal(
    `${spec.me} does not replicate from ${spec.primary}`,
    `${failure}\n${spec.me} stands at ${standing.position || 'nothing'}, ${spec.primary} at ${primary.position || 'nothing'}; it takes no writes meanwhile, and keeps its data`,
    `where it has rows that ${spec.primary} has not, save them; then \`provision run --allow-data-loss ${spec.me}\` replaces its data by those of ${spec.primary}`,
  )
}
