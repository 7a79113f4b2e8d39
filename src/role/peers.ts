import { isIP } from 'node:net'
import type { Where } from '../problem.ts'
import { list, suggestion } from '../site/source/suggest.ts'
import type { Flow, HostView, Listen, Peer, SiteView } from './role.ts'
import { hasPorts, wayOf } from './way.ts'

/** The name under which the administrators stand in a flow; their networks are an option of the firewall, so it has no addresses. */
export const ADMINISTRATORS = 'administrators'

type From = Flow['from']

/** Says what is wrong and what to do; `cause` is what was written somewhere and is wrong, or the host that is. */
export type Complain = (what: string, fix: string, cause?: Cause) => void
export type Cause = { readonly written: unknown } | { readonly host: string } | { readonly where: Where }

/** Who may come by what a role says, as hosts with addresses; undefined where that was complained of. */
export const resolvePeers = (host: HostView, listen: Listen, site: SiteView, complain: Complain): From | undefined => {
  const { service, port, protocol, from } = listen
  const entry = `${service} on ${wayOf(listen)}`
  if (hasPorts(protocol) && (!Number.isInteger(port) || port < 1 || port > 65535)) {
    complain(`${service} cannot listen on port ${port}`, 'use a port from 1 to 65535', { written: port })
    return undefined
  }
  if (from.length === 0) {
    complain(`nobody may come to ${entry}`, 'name a group, a host, administrators or anyone, or do not listen', { written: from })
    return undefined
  }
  const peers = from.map((peer) => resolvePeer(peer, entry, site, complain))
  if (!isPlain(from, entry, complain) || peers.some((one) => one === undefined)) return undefined
  const all = peers.reduce<From>((sum, one) => joined(sum, one ?? []), [])
  return isReachable(host, all, entry, complain) ? all : undefined
}

/** The peers of both; `anyone` takes in all others. */
export const joined = (one: From, other: From): From =>
  one === 'anyone' || other === 'anyone' ? 'anyone' : [...new Map([...one, ...other].map((peer) => [peer.name, peer])).values()]

// A host may well be in two of the groups named: which hosts are in which group is the inventory's business, not the role's.
const isPlain = (from: readonly Peer[], entry: string, complain: Complain): boolean => {
  const names = from.map(nameOf)
  const twice = names.find((name, i) => names.indexOf(name) < i)
  if (twice !== undefined) complain(`${entry} is for ${twice} twice`, 'name it once', { written: from })
  const others = [...new Set(names.filter((name) => name !== 'anyone'))]
  const swallowed = names.includes('anyone') && others.length > 0
  if (swallowed) complain(`${entry} is for anyone, and for ${list(others)} as well`, 'leave out anyone, or all others', { written: from })
  return twice === undefined && !swallowed
}

const wordOf = (peer: Exclude<Peer, string>): string => ('group' in peer ? peer.group : peer.host)
const nameOf = (peer: Peer): string =>
  typeof peer === 'string' ? peer : 'group' in peer ? `the group ${peer.group}` : `the host ${peer.host}`

const resolvePeer = (peer: Peer, entry: string, site: SiteView, complain: Complain): From | undefined => {
  if (peer === 'anyone') return 'anyone'
  if (peer === 'administrators') return [{ name: ADMINISTRATORS, addresses: [] }]
  const found = 'group' in peer ? membersOf(peer.group, site) : site.hosts.filter(({ name }) => name === peer.host)
  if (found.length === 0) {
    const known = 'group' in peer ? groupsOf(site) : site.hosts.map(({ name }) => name)
    complain(
      `${entry} is for ${nameOf(peer)}, ${'group' in peer ? 'in which there is no host' : 'which does not exist'}`,
      suggestion(wordOf(peer), known, 'write one that the inventory has'),
      { written: wordOf(peer) },
    )
    return undefined
  }
  const nameless = found.flatMap(({ name, addresses }) => addresses.filter((one) => isIP(one) === 0).map((one) => ({ name, one })))
  const unaddressed = found.filter(({ addresses }) => addresses.length === 0)
  for (const { name, one } of nameless)
    complain(`${entry} is for ${name}, whose address ${one} is a name`, ADDRESS_FIX(name), { host: name })
  for (const { name } of unaddressed) complain(`${entry} is for ${name}, which has no address`, ADDRESS_FIX(name), { host: name })
  return nameless.length + unaddressed.length > 0 ? undefined : found.map(({ name, addresses }) => ({ name, addresses }))
}

// A firewall that asks a name server at boot is open or shut as that server likes.
const ADDRESS_FIX = (host: string): string => `write the IP addresses its peers see as internal: of ${host} in the inventory`

/** Whoever may come must be able to: with an address of a family that the host has too. Where that is a name, nobody can tell. */
const isReachable = (host: HostView, from: From, entry: string, complain: Complain): boolean => {
  const own = [...host.addresses, ...host.publicAddresses]
  if (from === 'anyone' || own.some((one) => isIP(one) === 0)) return true
  const families = new Set(own.map(isIP))
  const cut = from.filter(({ name, addresses }) => name !== ADMINISTRATORS && !addresses.some((one) => families.has(isIP(one))))
  if (cut.length === 0) return true
  complain(
    `${entry} is for ${list(cut.map(({ name }) => name))}, who cannot reach it: they have no IPv${[...families].join(' or IPv')} address, and ${host.name} has no other`,
    `write IP addresses of one family as internal: of ${host.name} and of its peers in the inventory`,
    { host: host.name },
  )
  return false
}

const groupsOf = (site: SiteView): readonly string[] => ['all', ...new Set(site.hosts.flatMap(({ groups }) => groups))]

const membersOf = (group: string, site: SiteView): readonly HostView[] =>
  group === 'all' ? site.hosts : site.hosts.filter(({ groups }) => groups.includes(group))
