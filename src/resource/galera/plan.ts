import type { Change, PlanContext } from '../kind/kind.ts'
import { service } from '../service/service.ts'
import type { GaleraSpec } from './galera.ts'
import type { GaleraState, Standing } from './observe.ts'

/** The members that were reached, and what they said. */
export type Members = ReadonlyMap<string, GaleraState>

export const membersOf = (members: () => ReadonlyMap<string, unknown>): Members => members() as Members

/** A server: its service, and whether it is in the cluster. */
export const planServer = (spec: GaleraSpec, state: GaleraState, context: PlanContext): Change | undefined => {
  const members = membersOf(context.members)
  const plain = service.kind.plan(spec.service, state.service, context)
  const { standing } = state
  if (plain === undefined) {
    if (standing?.primary === true && standing.synced) return planLeaving(spec, standing, members)
    const reason = standing === undefined ? 'the server does not answer' : reasonOf(standing)
    return { action: 'update', certainty: 'dependent', reason, differences: [] }
  }
  if (standing?.primary === true) {
    const leaving = planLeaving(spec, standing, members)
    return leaving === undefined ? plain : { ...plain, reason: `${plain.reason}, ${leaving.reason}` }
  }
  if (standing !== undefined || plain.reason.includes('is masked')) return plain
  const somebody = [...members].some(([host, { standing }]) => host !== spec.me && standing?.primary === true)
  const begins = somebody ? undefined : beginner(spec, members)
  const how = begins === spec.me ? 'begins the cluster' : begins === undefined && !somebody ? 'waits for the cluster' : 'joins the cluster'
  return { ...plain, reason: `${plain.reason}, ${how}` }
}

const reasonOf = ({ primary, connected, state }: Standing): string => {
  if (primary) return `is ${state}`
  return connected ? 'has no majority' : 'has left the cluster'
}

/** Whoever is in the cluster and in no inventory is put out, by the first server that can. */
const planLeaving = (spec: GaleraSpec, standing: Standing, members: Members): Change | undefined => {
  const leaving = strangers(spec, standing).map(({ name }) => name)
  const first = spec.servers.find((host) => members.get(host)?.standing?.primary === true)
  if (leaving.length === 0 || first !== spec.me) return undefined
  return {
    action: 'update',
    certainty: 'exact',
    reason: `puts ${leaving.join(', ')} out, which the inventory does not have among the servers`,
    differences: [],
  }
}

/** The servers that are in the cluster, and not among those of the inventory. */
export const strangers = ({ servers }: GaleraSpec, { members }: Standing): Standing['members'] =>
  members.filter(({ name }) => !servers.includes(name))

/** An arbitrator: its service, and whether the servers hear its voice. */
export const planArbitrator = (spec: GaleraSpec, { service: state }: GaleraState, context: PlanContext): Change | undefined => {
  const plain = service.kind.plan(spec.service, state, context)
  if (plain !== undefined) return plain
  const inside = [...membersOf(context.members).values()].flatMap(({ standing }) => (standing?.primary === true ? [standing] : []))
  const voices = Math.max(0, ...inside.map(({ size, servers }) => size - servers))
  if (inside.length > 0 ? voices >= spec.arbitrators.length : !canTell(spec, context)) return undefined
  return {
    action: 'update',
    certainty: 'dependent',
    reason: inside.length > 0 ? 'the servers do not hear it' : 'no server runs',
    differences: [],
  }
}

/** Where no server was asked, nothing can be said. */
const canTell = ({ servers }: GaleraSpec, context: PlanContext): boolean => servers.some((host) => context.members().has(host))

/**
 * Which server begins the cluster where none runs: the one whose data goes furthest, as far as that is known without starting it;
 * of several, and where none has any, the first. Undefined where some server was not asked: it could know more.
 */
export const beginner = (spec: GaleraSpec, members: Members): string | undefined => {
  const { servers } = spec
  if (servers.some((host) => !members.has(host))) return undefined
  const rank = (host: string): number => {
    const data = members.get(host)?.standing ?? members.get(host)?.position
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
