import type { PlanContext } from '../kind/kind.ts'
import { HostRefusal } from '../kind/step.ts'
import { followsUnknownServer } from './away.ts'
import type { ReplicationState } from './observe.ts'
import { addressOf, type Members, membersOf, replicationReason } from './plan.ts'
import type { ReplicationSpec } from './spec.ts'

/** What a run will refuse or lose, as far as that can be told before it, and where nothing will be lost of what was said may be. */
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
          `${spec.me} will not be made the primary while ${needed.join(', ')} cannot be asked, and may have rows that no other server has: bring it back, or say that they may be lost: ${needed.map((host) => `--allow-data-loss ${host}`).join(' ')}`,
        ]
      : []),
    ...(lost.length > 0 && needed.length === 0 ? [`${spec.me} becomes the primary without the rows that only ${lost.join(', ')} has`] : []),
    ...needless.map((host) => `--allow-data-loss ${host} changes nothing: this run loses nothing that only ${host} has`),
  ]
}

/** Servers without which this one does not become the primary, unless what they have may be lost. */
const unreachedRequired = (spec: ReplicationSpec, { status, databases }: ReplicationState, members: Members): readonly string[] => {
  if (spec.me !== spec.primary) return []
  if (status?.writable === true && status.source === undefined && status.followers.length > 0) return []
  const writer = [...members].find(([host, its]) => host !== spec.me && its.status?.writable === true)?.[0]
  // Whoever follows the one that is written to comes to have all that any other can have. One that does not run may follow it.
  const mayFollow = status === undefined ? databases.length > 0 : status.source?.address === addressOf(spec, writer ?? '')
  if (writer !== undefined && mayFollow) return []
  return spec.servers.map(({ host }) => host).filter((host) => host !== spec.me && !members.has(host))
}

/** What a run could only refuse when firewalls are changed already: nobody is to lose the way to a primary that stays one. */
export const replicationForbids = (spec: ReplicationSpec, { status }: ReplicationState, context: PlanContext): HostRefusal | undefined => {
  const members = membersOf(context.members)
  const takesOver = spec.me === spec.primary && (status?.writable !== true || status.source !== undefined)
  const running = [...members].flatMap(([host, its]) => (its.status === undefined ? [] : [{ host, status: its.status }]))
  return disagreement(spec, members) ?? (takesOver ? followsUnknownServer(spec, running) : undefined)
}

/** Servers that were told of different primaries would both be opened. */
export const disagreement = ({ me, primary, servers }: ReplicationSpec, members: Members): HostRefusal | undefined => {
  const other = servers.find(({ host }) => members.has(host) && members.get(host)?.primary !== primary)?.host
  if (other === undefined) return undefined
  return new HostRefusal(
    `${me} and ${other} are told of different primaries`,
    `by the options of ${me} it is ${primary}, by those of ${other} it is ${members.get(other)?.primary ?? 'nobody'}`,
    'write primary once, where all servers have it from: in the vars of their group, or of the whole inventory',
  )
}
