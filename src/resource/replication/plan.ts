import type { Flavour } from '../database/flavour.ts'
import type { Change, PlanContext } from '../kind/kind.ts'
import { isMasked, service } from '../service/service.ts'
import { FOLLOWER, REPLICATION_SQL } from './dialect.ts'
import type { Follower, ReplicationState, ServerStatus, Source } from './observe.ts'
import type { ReplicationSpec, Server } from './spec.ts'

/** States of the reached servers. */
export type Members = ReadonlyMap<string, ReplicationState>

export const membersOf = (members: () => ReadonlyMap<string, unknown>): Members => members() as Members

/** Whether a host may have rows that no other server has. True if it was not reached. */
export const couldHaveRows = (members: Members, host: string): boolean => {
  const state = members.get(host)
  return state === undefined || state.databases.length > 0 || state.seeding
}

/** Plans a server: its service, and its role as primary or replica. */
export const planReplication = (spec: ReplicationSpec, state: ReplicationState, context: PlanContext): Change | undefined => {
  const serviceChange = service.kind.plan(spec.service, state.service, context)
  if (isMasked(spec.service, state.service)) return serviceChange
  const reason = replicationReason(spec, state, context)
  if (serviceChange !== undefined)
    return reason === undefined ? serviceChange : { ...serviceChange, reason: `${serviceChange.reason}, ${reason}` }
  return reason === undefined ? undefined : { action: 'update', certainty: 'dependent', reason, differences: [] }
}

/** Returns the reason for a change besides its service; undefined if there is none. */
export const replicationReason = (
  spec: ReplicationSpec,
  state: ReplicationState,
  { members, allowDataLoss }: PlanContext,
): string | undefined =>
  spec.primary === spec.me ? primaryReason(spec, state) : replicaReason(spec, state, membersOf(members), allowDataLoss ?? new Set())

const primaryReason = (spec: ReplicationSpec, { status, seeding, service: { active } }: ReplicationState): string | undefined => {
  if (seeding) return 'copy of the data interrupted, starts again'
  if (status === undefined) return active === 'active' ? 'server does not answer' : 'becomes the primary'
  if (!status.writable)
    return status.source === undefined ? 'becomes the primary' : `becomes the primary in place of ${nameOf(spec, status.source.address)}`
  if (status.source !== undefined) return `primary that replicates from ${nameOf(spec, status.source.address)}`
  return grantsExactlyReplicas(spec, status) ? undefined : 'accounts of its replicas differ'
}

const replicaReason = (
  spec: ReplicationSpec,
  state: ReplicationState,
  members: Members,
  allowDataLoss: ReadonlySet<string>,
): string | undefined => {
  const { status, seeding, databases } = state
  const follows = `follows ${spec.primary}`
  if (seeding) return `copy of the data of ${spec.primary} interrupted, starts again`
  if (status === undefined) return state.service.active === 'active' ? 'server does not answer' : follows
  if (status.writable) return `becomes read-only, ${follows}`
  const primary = members.get(spec.primary)
  // Without the primary nothing can be planned.
  if (primary === undefined) return undefined
  if (status.source === undefined) return databases.length === 0 ? follows : `${follows} from now on`
  if (status.source.address !== addressOf(spec, spec.primary)) return `${follows} in place of ${nameOf(spec, status.source.address)}`
  if (isReplicating(status.source)) return undefined
  if (isReplicating({ ...status.source, verifies: true })) return `does not verify the certificate of ${spec.primary}`
  const lost = allowDataLoss.has(spec.me) ? `; if it cannot resume, its data is replaced by that of ${spec.primary}` : ''
  return `does not replicate: ${status.source.error ?? 'stopped'}${lost}`
}

/** Whether a replica receives and applies transactions, by GTID, from a source that it verifies. */
export const isReplicating = ({ receives, applies, byPosition, verifies }: Source): boolean =>
  receives === 'yes' && applies && byPosition && verifies

export const addressOf = ({ servers }: ReplicationSpec, host: string): string => servers.find((one) => one.host === host)?.address ?? ''

/** Name of the server with an address. */
export const nameOf = ({ servers }: ReplicationSpec, address: string): string =>
  servers.find((one) => one.address === address)?.host ?? address

/** The account of a replica on the primary. It logs in by its certificate only. */
export const followerOf = ({ host, certificate }: Server, flavour: Flavour = 'mariadb'): Follower => ({
  user: `${FOLLOWER}${host}`,
  subject: `/CN=${certificate}`,
  privileges: REPLICATION_SQL[flavour].privileges,
})

/** Whether the accounts of replicas match the servers of the inventory. */
export const grantsExactlyReplicas = ({ servers, flavour }: ReplicationSpec, { followers }: ServerStatus): boolean => {
  const lines = (all: readonly Follower[]): string =>
    all
      .map(({ user, subject, privileges }) => `${user} ${subject} ${privileges}`)
      .sort()
      .join('\n')
  return lines(servers.map((one) => followerOf(one, flavour))) === lines(followers)
}
