import type { PlanContext } from '../kind/kind.ts'
import { HostRefusal } from '../kind/step.ts'
import { followsUnknownServer } from './away.ts'
import type { ReplicationState } from './observe.ts'
import { addressOf, type Members, membersOf, replicationReason } from './plan.ts'
import type { ReplicationSpec } from './spec.ts'

/** Warnings: refusals and losses that are predictable, and `--allow-data-loss` options without effect. */
export const replicationNotices = (spec: ReplicationSpec, state: ReplicationState, context: PlanContext): readonly string[] => {
  const members = membersOf(context.members)
  const allowDataLoss = context.allowDataLoss ?? new Set()
  const missing = unreachedRequired(spec, state, members)
  const [lost, needed] = [missing.filter((host) => allowDataLoss.has(host)), missing.filter((host) => !allowDataLoss.has(host))]
  const unreached = spec.servers.map(({ host }) => host).filter((host) => host !== spec.me && !members.has(host))
  const needless = [
    ...(replicationReason(spec, state, context) === undefined ? [spec.me] : []),
    ...(spec.me === spec.primary ? unreached.filter((host) => !missing.includes(host)) : []),
  ].filter((host) => allowDataLoss.has(host))
  return [
    ...(needed.length > 0
      ? [
          `${spec.me} will not be promoted while ${needed.join(', ')} cannot be reached: it may have rows that no other server has; start it, or discard them with ${needed.map((host) => `--allow-data-loss ${host}`).join(' ')}`,
        ]
      : []),
    ...(lost.length > 0 && needed.length === 0 ? [`${spec.me} will be promoted without the rows that only ${lost.join(', ')} has`] : []),
    ...needless.map((host) => `--allow-data-loss ${host} has no effect: this run discards no rows of ${host}`),
  ]
}

/** Unreached servers that prevent the promotion of this one, unless their data may be lost. */
const unreachedRequired = (spec: ReplicationSpec, { status, databases }: ReplicationState, members: Members): readonly string[] => {
  if (spec.me !== spec.primary) return []
  if (status?.writable === true && status.source === undefined && status.followers.length > 0) return []
  const writer = [...members].find(([host, its]) => host !== spec.me && its.status?.writable === true)?.[0]
  // A replica of the current primary can catch up with everything. A stopped server may be such a replica.
  const mayFollow = status === undefined ? databases.length > 0 : status.source?.address === addressOf(spec, writer ?? '')
  if (writer !== undefined && mayFollow) return []
  return spec.servers.map(({ host }) => host).filter((host) => host !== spec.me && !members.has(host))
}

/** Refusals before the first change of the run: later, new firewall rules could already block connections to a primary that remains one. */
export const replicationForbids = (spec: ReplicationSpec, { status }: ReplicationState, context: PlanContext): HostRefusal | undefined => {
  const members = membersOf(context.members)
  const takesOver = spec.me === spec.primary && (status?.writable !== true || status.source !== undefined)
  const running = [...members].flatMap(([host, its]) => (its.status === undefined ? [] : [{ host, status: its.status }]))
  return disagreement(spec, members) ?? (takesOver ? followsUnknownServer(spec, running) : undefined)
}

/** Refuses if servers disagree on the primary: both would accept writes. */
export const disagreement = ({ me, primary, servers, flavour }: ReplicationSpec, members: Members): HostRefusal | undefined => {
  const foreign = servers.find(({ host }) => members.has(host) && (members.get(host)?.flavour ?? flavour) !== flavour)?.host
  if (foreign !== undefined)
    return new HostRefusal(
      `${me} and ${foreign} have different flavours in their options`,
      `the flavour of ${me} is ${flavour}, that of ${foreign} is ${members.get(foreign)?.flavour}; neither replicates the other`,
      'set flavour once for all servers, in the vars of their group or of the inventory',
    )
  const other = servers.find(({ host }) => members.has(host) && members.get(host)?.primary !== primary)?.host
  if (other === undefined) return undefined
  return new HostRefusal(
    `${me} and ${other} have different primaries in their options`,
    `the primary of ${me} is ${primary}, that of ${other} is ${members.get(other)?.primary ?? 'not set'}`,
    'set primary once for all servers, in the vars of their group or of the inventory',
  )
}
