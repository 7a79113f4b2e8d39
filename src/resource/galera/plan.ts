import type { Change, PlanContext } from '../kind/kind.ts'
import { service } from '../service/service.ts'
import type { GaleraState, MemberStatus } from './observe.ts'
import type { GaleraSpec } from './spec.ts'

/** The members that were reached, and what they said. */
export type Members = ReadonlyMap<string, GaleraState>

export const membersOf = (members: () => ReadonlyMap<string, unknown>): Members => members() as Members

/** A server: its service, and whether it is in the cluster. */
export const planServer = (spec: GaleraSpec, state: GaleraState, context: PlanContext): Change | undefined => {
  const members = membersOf(context.members)
  const serviceChange = service.kind.plan(spec.service, state.service, context)
  const { status } = state
  if (serviceChange === undefined) {
    if (status?.primary === true && status.synced) return planEviction(spec, status, members)
    const reason = status === undefined ? 'the server does not answer' : reasonOf(status)
    return { action: 'update', certainty: 'dependent', reason, differences: [] }
  }
  if (status?.primary === true) {
    const eviction = planEviction(spec, status, members)
    return eviction === undefined ? serviceChange : { ...serviceChange, reason: `${serviceChange.reason}, ${eviction.reason}` }
  }
  if (status !== undefined || serviceChange.reason.includes('masked')) return serviceChange
  const otherHasMajority = [...members].some(([host, { status }]) => host !== spec.me && status?.primary === true)
  const bootstrapsOn = otherHasMajority ? undefined : bootstrapHost(spec, members)
  const how =
    bootstrapsOn === spec.me
      ? 'begins the cluster'
      : bootstrapsOn === undefined && !otherHasMajority
        ? 'waits for the cluster'
        : 'joins the cluster'
  return { ...serviceChange, reason: `${serviceChange.reason}, ${how}` }
}

const reasonOf = ({ primary, connected, state }: MemberStatus): string => {
  if (primary) return `is ${state}`
  return connected ? 'has no majority' : 'has left the cluster'
}

/** Whoever is in the cluster and in no inventory is put out, by the first server that can. */
const planEviction = (spec: GaleraSpec, status: MemberStatus, members: Members): Change | undefined => {
  const eviction = unknownMembers(spec, status).map(({ name }) => name)
  const first = spec.servers.find((host) => members.get(host)?.status?.primary === true)
  if (eviction.length === 0 || first !== spec.me) return undefined
  return {
    action: 'update',
    certainty: 'exact',
    reason: `puts ${eviction.join(', ')} out, which the inventory does not have among the servers`,
    differences: [],
  }
}

/** The servers that are in the cluster, and not among those of the inventory. */
export const unknownMembers = ({ servers }: GaleraSpec, { members }: MemberStatus): MemberStatus['members'] =>
  members.filter(({ name }) => !servers.includes(name))

/** An arbitrator: its service, and whether the servers hear its voice. */
export const planArbitrator = (spec: GaleraSpec, { service: state }: GaleraState, context: PlanContext): Change | undefined => {
  const serviceChange = service.kind.plan(spec.service, state, context)
  if (serviceChange !== undefined) return serviceChange
  const inside = [...membersOf(context.members).values()].flatMap(({ status }) => (status?.primary === true ? [status] : []))
  const arbitratorCount = Math.max(0, ...inside.map(({ size, servers }) => size - servers))
  if (inside.length > 0 ? arbitratorCount >= spec.arbitrators.length : !anyServerReached(spec, context)) return undefined
  return {
    action: 'update',
    certainty: 'dependent',
    reason: inside.length > 0 ? 'the servers do not hear it' : 'no server runs',
    differences: [],
  }
}

/** Where no server was asked, nothing can be said. */
const anyServerReached = ({ servers }: GaleraSpec, context: PlanContext): boolean => servers.some((host) => context.members().has(host))

/**
 * Which server begins the cluster where none runs: the one whose data goes furthest, as far as that is known without starting it;
 * of several, and where none has any, the first. Undefined where some server was not asked: it could know more.
 */
export const bootstrapHost = (spec: GaleraSpec, members: Members): string | undefined => {
  const { servers } = spec
  if (servers.some((host) => !members.has(host))) return undefined
  const rank = (host: string): number => {
    const data = members.get(host)?.status ?? members.get(host)?.position
    return data?.uuid === undefined ? -2 : data.seqno
  }
  return byOwnData(spec, members).toSorted((a, b) => rank(b) - rank(a))[0]
}

/** The servers in their order; where none was ever in a cluster, first those with data that are to stay, for one of them begins. */
export const byOwnData = ({ servers, discardDataOf }: GaleraSpec, members: Members): readonly string[] => {
  if (servers.some((host) => members.get(host)?.position.uuid !== undefined)) return servers
  const keeps = (host: string): boolean => !discardDataOf.includes(host) && (members.get(host)?.position.databases.length ?? 0) > 0
  return servers.toSorted((a, b) => Number(keeps(b)) - Number(keeps(a)))
}
