import type { Change, PlanContext } from '../kind/kind.ts'
import { service } from '../service/service.ts'
import { FOLLOWER, type Follower, type ReplicationState, type ServerStatus, type Source } from './observe.ts'
import type { ReplicationSpec, Server } from './spec.ts'

/** The servers that were reached, and what they said. */
export type Members = ReadonlyMap<string, ReplicationState>

export const membersOf = (members: () => ReadonlyMap<string, unknown>): Members => members() as Members

/** Whether rows can be on a host that no other has: on one that was not reached nobody knows. */
export const couldHaveRows = (members: Members, host: string): boolean => {
  const state = members.get(host)
  return state === undefined || state.databases.length > 0 || state.seeding
}

/** A server: its service, and whether it is the primary, or follows it. */
export const planReplication = (spec: ReplicationSpec, state: ReplicationState, context: PlanContext): Change | undefined => {
  const serviceChange = service.kind.plan(spec.service, state.service, context)
  if (serviceChange?.reason.includes('masked')) return serviceChange
  const reason = replicationReason(spec, state, context)
  if (serviceChange !== undefined)
    return reason === undefined ? serviceChange : { ...serviceChange, reason: `${serviceChange.reason}, ${reason}` }
  return reason === undefined ? undefined : { action: 'update', certainty: 'dependent', reason, differences: [] }
}

/** What is to be done beside its service, in words. */
export const replicationReason = (
  spec: ReplicationSpec,
  state: ReplicationState,
  { members, allowDataLoss }: PlanContext,
): string | undefined =>
  spec.primary === spec.me ? primaryReason(spec, state) : replicaReason(spec, state, membersOf(members), allowDataLoss ?? new Set())

const primaryReason = (spec: ReplicationSpec, { status, seeding, service: { active } }: ReplicationState): string | undefined => {
  if (seeding) return 'its copy of the data was cut off, and begins anew'
  if (status === undefined) return active === 'active' ? 'the server does not answer' : 'becomes the primary'
  if (!status.writable)
    return status.source === undefined ? 'becomes the primary' : `becomes the primary in place of ${nameOf(spec, status.source.address)}`
  if (status.source !== undefined) return `follows ${nameOf(spec, status.source.address)}, and is the primary`
  return grantsExactlyReplicas(spec, status) ? undefined : 'lets its replicas in'
}

const replicaReason = (
  spec: ReplicationSpec,
  state: ReplicationState,
  members: Members,
  allowDataLoss: ReadonlySet<string>,
): string | undefined => {
  const { status, seeding, databases } = state
  const follows = `follows ${spec.primary}`
  if (seeding) return `its copy of the data of ${spec.primary} was cut off, and begins anew`
  if (status === undefined) return state.service.active === 'active' ? 'the server does not answer' : follows
  if (status.writable) return `takes no more writes, ${follows}`
  const primary = members.get(spec.primary)
  // Where it was not reached, nothing can be done, and nothing be said.
  if (primary === undefined) return undefined
  if (status.source === undefined) return databases.length === 0 ? follows : `${follows} from now on`
  if (status.source.address !== addressOf(spec, spec.primary)) return `${follows} in place of ${nameOf(spec, status.source.address)}`
  if (isReplicating(status.source)) return undefined
  const lost = allowDataLoss.has(spec.me) ? `; where it cannot, its data are replaced by those of ${spec.primary}` : ''
  return `does not replicate: ${status.source.error ?? 'it was stopped'}${lost}`
}

/** Whether a server gets and does what another one writes, and could follow a third one instead. */
export const isReplicating = ({ receives, applies, byPosition }: Source): boolean => receives === 'yes' && applies && byPosition

export const addressOf = ({ servers }: ReplicationSpec, host: string): string => servers.find((one) => one.host === host)?.address ?? ''

/** What a server is called that others know by its address. */
export const nameOf = ({ servers }: ReplicationSpec, address: string): string =>
  servers.find((one) => one.address === address)?.host ?? address

/** The account by which a server follows the primary. Its certificate opens it, and nothing else does. */
export const followerOf = ({ host, certificate }: Server): Follower => ({
  user: `${FOLLOWER}${host}`,
  subject: `/CN=${certificate}`,
  privileges: 'REPLICATION SLAVE,SLAVE MONITOR',
})

/** Whether exactly the servers of the inventory may follow a server. */
export const grantsExactlyReplicas = ({ servers }: ReplicationSpec, { followers }: ServerStatus): boolean => {
  const lines = (all: readonly Follower[]): string =>
    all
      .map(({ user, subject, privileges }) => `${user} ${subject} ${privileges}`)
      .sort()
      .join('\n')
  return lines(servers.map(followerOf)) === lines(followers)
}
