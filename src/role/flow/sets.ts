import type { Declared } from '../flows.ts'
import type { Peer, Role, SiteContext, SiteView } from '../role.ts'

/** Networks by the name of their set. */
type Sets = Readonly<Record<string, readonly string[]>>

interface BoundRole {
  readonly host: string
  readonly role: Pick<Role, 'networks'>
  readonly context: SiteContext<unknown>
}

/** Returns the sets of networks that the roles of each host define. */
export const setsByHost = (bound: readonly BoundRole[]): ReadonlyMap<string, Sets> => {
  const sets = new Map<string, Sets>()
  for (const { host, role, context } of bound)
    if (role.networks !== undefined) sets.set(host, { ...sets.get(host), ...role.networks(context) })
  return sets
}

/** Replaces the names of groups that the inventory does not have by the sets of the host that have these names. */
export const withSets = (declared: readonly Declared[], sets: ReadonlyMap<string, Sets>, site: SiteView): readonly Declared[] =>
  declared.map((one) => {
    const named = sets.get(one.host.name)
    if (named === undefined) return one
    const peerOf = (peer: Peer): Peer => {
      if (typeof peer === 'string' || !('group' in peer) || site.group(peer.group).length > 0) return peer
      const networks = Object.hasOwn(named, peer.group) ? named[peer.group] : undefined
      return networks === undefined ? peer : { set: peer.group, networks }
    }
    return { ...one, sets: Object.keys(named), listens: one.listens.map((listen) => ({ ...listen, from: listen.from.map(peerOf) })) }
  })
