import type { Change, PlanContext } from '../kind/kind.ts'
import { isMasked, service } from '../service/service.ts'
import { type GaleraState, type MemberStatus, otherUnit } from './observe.ts'
import type { GaleraSpec } from './spec.ts'

/** States of the reached members. */
export type Members = ReadonlyMap<string, GaleraState>

export const membersOf = (members: () => ReadonlyMap<string, unknown>): Members => members() as Members

/** Plans a member. The unit of the host's former function stops first. */
export const planMember = (spec: GaleraSpec, state: GaleraState, context: PlanContext): Change | undefined => {
  const change = (spec.arbitrators.includes(spec.me) ? planArbitrator : planServer)(spec, state, context)
  if (!state.otherRuns) return change
  const stops = `stops ${otherUnit(spec)}${spec.arbitrators.includes(spec.me) ? ', which keeps its data' : ''}`
  return change === undefined
    ? { action: 'update', certainty: 'exact', reason: stops, differences: [] }
    : { ...change, reason: `${stops}, ${change.reason}` }
}

/** Plans a server: its service, and its membership in the cluster. */
const planServer = (spec: GaleraSpec, state: GaleraState, context: PlanContext): Change | undefined => {
  const members = membersOf(context.members)
  const serviceChange = service.kind.plan(spec.service, state.service, context)
  const { status } = state
  if (serviceChange === undefined) {
    if (status?.primary === true && status.synced) return planEviction(spec, status, members)
    const reason = status === undefined ? 'server does not answer' : reasonOf(status)
    return { action: 'update', certainty: 'dependent', reason, differences: [] }
  }
  if (status?.primary === true) {
    const eviction = planEviction(spec, status, members)
    return eviction === undefined ? serviceChange : { ...serviceChange, reason: `${serviceChange.reason}, ${eviction.reason}` }
  }
  if (status !== undefined || isMasked(spec.service, state.service)) return serviceChange
  const otherHasMajority = [...members].some(([host, { status }]) => host !== spec.me && status?.primary === true)
  const bootstrapsOn = otherHasMajority ? undefined : bootstrapHost(spec, members)
  const how =
    bootstrapsOn === spec.me
      ? 'bootstraps the cluster'
      : bootstrapsOn === undefined && !otherHasMajority
        ? 'waits for the cluster'
        : 'joins the cluster'
  return { ...serviceChange, reason: `${serviceChange.reason}, ${how}` }
}

const reasonOf = ({ primary, connected, state }: MemberStatus): string => {
  if (primary) return `not synced (${state})`
  return connected ? 'no majority' : 'disconnected from the cluster'
}

/** Plans the eviction of members that are not in the inventory, on the first server of the majority. */
const planEviction = (spec: GaleraSpec, status: MemberStatus, members: Members): Change | undefined => {
  const eviction = unknownMembers(spec, status).map(({ name }) => name)
  const first = spec.servers.find((host) => members.get(host)?.status?.primary === true)
  if (eviction.length === 0 || first !== spec.me) return undefined
  return {
    action: 'update',
    certainty: 'exact',
    reason: `evicts ${eviction.join(', ')}, not among the servers of the inventory`,
    differences: [],
  }
}

/** Members that are not among the servers of the inventory. */
export const unknownMembers = ({ servers }: GaleraSpec, { members }: MemberStatus): MemberStatus['members'] =>
  members.filter(({ name }) => !servers.includes(name))

/** Plans an arbitrator: its service, and whether the servers count it. */
const planArbitrator = (spec: GaleraSpec, { service: state }: GaleraState, context: PlanContext): Change | undefined => {
  const serviceChange = service.kind.plan(spec.service, state, context)
  if (serviceChange !== undefined) return serviceChange
  const inside = [...membersOf(context.members).values()].flatMap(({ status }) => (status?.primary === true ? [status] : []))
  const arbitratorCount = Math.max(0, ...inside.map(({ size, servers }) => size - servers))
  if (inside.length > 0 ? arbitratorCount >= spec.arbitrators.length : !anyServerReached(spec, context)) return undefined
  return {
    action: 'update',
    certainty: 'dependent',
    reason: inside.length > 0 ? 'not connected to the servers' : 'no server running',
    differences: [],
  }
}

/** Whether a server was reached; otherwise the connection of an arbitrator is unknown. */
const anyServerReached = ({ servers }: GaleraSpec, context: PlanContext): boolean => servers.some((host) => context.members().has(host))

/**
 * The server that bootstraps the cluster if none runs: the one with the newest data, as far as known without starting it, otherwise the
 * first. Undefined if some server was not reached, because it could have newer data.
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

/** The servers in order. If none was ever in a cluster, servers with data to keep come first, so that one of them bootstraps it. */
export const byOwnData = ({ servers, discardDataOf }: GaleraSpec, members: Members): readonly string[] => {
  if (servers.some((host) => members.get(host)?.position.uuid !== undefined)) return servers
  const keeps = (host: string): boolean => !discardDataOf.includes(host) && (members.get(host)?.position.databases.length ?? 0) > 0
  return servers.toSorted((a, b) => Number(keeps(b)) - Number(keeps(a)))
}
