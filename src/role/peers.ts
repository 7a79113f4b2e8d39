import { isIP } from 'node:net'
import type { Where } from '../problem.ts'
import { list, suggestion } from '../site/source/suggest.ts'
import type { Flow, HostView, Listen, Peer, SiteView } from './role.ts'
import { hasPorts, portText } from './way.ts'

/** The name of the administrators in a flow. It has no addresses here: their networks are an option of the firewall. */
export const ADMINISTRATORS = 'administrators'

type From = Flow['from']

/** Adds a problem; `cause` is the wrong value, the host or the place at fault. */
export type Report = (what: string, fix: string, cause?: Cause) => void
export type Cause = { readonly written: unknown } | { readonly host: string } | { readonly where: Where }

/** Resolves the peers of one site. Each group is resolved once, and shared by all hosts that permit it. */
export interface PeerResolver {
  readonly site: SiteView
  /** Groups and hosts without a problem, by their name. */
  readonly known: Map<string, From>
  /** Names of the sets of networks that the host has. Two hosts can have different sets of one name. */
  readonly sets?: readonly string[]
}

/** The peers of a listen entry as hosts with addresses; undefined if it has a problem, which was added. */
export const resolvePeers = (host: HostView, listen: Listen, resolver: PeerResolver, report: Report): From | undefined => {
  const { service, port, protocol, from } = listen
  const entry = `${service} on ${portText(listen)}`
  if (hasPorts(protocol) && (!Number.isInteger(port) || port < 1 || port > 65535)) {
    report(`${service} cannot listen on port ${port}`, 'use a port from 1 to 65535', { written: port })
    return undefined
  }
  if (from.length === 0) {
    report(`${entry} has no permitted peers`, 'name a group, a host, administrators or anyone, or remove the entry', { written: from })
    return undefined
  }
  const peers = from.map((peer) => resolvePeer(peer, entry, resolver, report))
  if (!isPlain(from, entry, report) || peers.some((one) => one === undefined)) return undefined
  const all = peers.reduce<From>((sum, one) => joined(sum, one ?? []), [])
  return isReachable(host, all, entry, report) ? all : undefined
}

/** The union of both; `anyone` includes all others. */
export const joined = (one: From, other: From): From => {
  if (one === 'anyone' || other === 'anyone') return 'anyone'
  if (one.length === 0) return other
  return [...new Map([...one, ...other].map((peer) => [peer.name, peer])).values()]
}

// Two groups may share a host: the inventory decides that, not the role.
const isPlain = (from: readonly Peer[], entry: string, report: Report): boolean => {
  const names = from.map(nameOf)
  const twice = names.find((name, i) => names.indexOf(name) < i)
  if (twice !== undefined) report(`${entry} names ${twice} twice`, 'name it once', { written: from })
  const others = [...new Set(names.filter((name) => name !== 'anyone'))]
  const redundant = names.includes('anyone') && others.length > 0
  if (redundant) report(`${entry} names anyone and also ${list(others)}`, 'remove anyone, or all others', { written: from })
  return twice === undefined && !redundant
}

type Named = Exclude<Peer, string | { readonly network: string } | { readonly set: string }>
const wordOf = (peer: Named): string => ('group' in peer ? peer.group : peer.host)
const nameOf = (peer: Peer): string => {
  if (typeof peer === 'string') return peer
  if ('network' in peer) return peer.network
  if ('set' in peer) return `the set ${peer.set}`
  return 'group' in peer ? `the group ${peer.group}` : `the host ${peer.host}`
}

const resolvePeer = (peer: Peer, entry: string, resolver: PeerResolver, report: Report): From | undefined => {
  if (peer === 'anyone') return 'anyone'
  if (peer === 'administrators') return [{ name: ADMINISTRATORS, addresses: [] }]
  if ('network' in peer) return [{ name: peer.network, addresses: [peer.network] }]
  if ('set' in peer) return [{ name: peer.set, addresses: peer.networks }]
  const name = nameOf(peer)
  const resolved = resolver.known.get(name) ?? resolveHosts(peer, entry, resolver, report)
  if (resolved !== undefined) resolver.known.set(name, resolved)
  return resolved
}

const resolveHosts = (peer: Named, entry: string, { site, sets = [] }: PeerResolver, report: Report): From | undefined => {
  const found = 'group' in peer ? membersOf(peer.group, site) : site.hosts.filter(({ name }) => name === peer.host)
  if (found.length === 0) {
    const known = 'group' in peer ? [...groupsOf(site), ...sets] : site.hosts.map(({ name }) => name)
    report(
      `${entry} names ${nameOf(peer)}, ${'group' in peer ? 'which has no hosts' : 'which does not exist'}`,
      suggestion(wordOf(peer), known, 'name one of the inventory'),
      { written: wordOf(peer) },
    )
    return undefined
  }
  const nameless = found.flatMap(({ name, addresses }) => addresses.filter((one) => isIP(one) === 0).map((one) => ({ name, one })))
  const unaddressed = found.filter(({ addresses }) => addresses.length === 0)
  for (const { name, one } of nameless)
    report(`${entry} permits ${name}, whose address ${one} is a name`, ADDRESS_FIX(name), { host: name })
  for (const { name } of unaddressed) report(`${entry} permits ${name}, which has no address`, ADDRESS_FIX(name), { host: name })
  return nameless.length + unaddressed.length > 0 ? undefined : found.map(({ name, addresses }) => ({ name, addresses }))
}

// A firewall that resolves names at boot would be open or closed as the name server decides.
const ADDRESS_FIX = (host: string): string => `set internal: of ${host} in the inventory to the IP addresses that its peers see`

/** Whether every permitted peer shares an address family with the host. A name as an address is taken as reachable. */
const isReachable = (host: HostView, from: From, entry: string, report: Report): boolean => {
  const own = [...host.addresses, ...host.publicAddresses]
  if (from === 'anyone' || own.some((one) => isIP(one) === 0)) return true
  const families = new Set(own.map(isIP))
  const [first, ...others] = families
  const cut = others.reduce((some, family) => some.filter((one) => namesWithout(from, family).includes(one)), namesWithout(from, first))
  if (cut.length === 0) return true
  report(
    `${entry} permits ${list(cut)} without an IPv${[...families].join(' or IPv')} address, and ${host.name} has no other`,
    `set internal: of ${host.name} and of its peers in the inventory to IP addresses of one family`,
    { host: host.name },
  )
  return false
}

const without = new WeakMap<Exclude<From, 'anyone'>, Map<number | undefined, readonly string[]>>()

/**
 * The names of the peers without an address of this family; of all peers for a host without a family. Computed once for peers that several
 * hosts permit.
 */
const namesWithout = (from: Exclude<From, 'anyone'>, family: number | undefined): readonly string[] => {
  const known = without.get(from) ?? new Map<number | undefined, readonly string[]>()
  without.set(from, known)
  const names =
    known.get(family) ??
    from.flatMap(({ name, addresses }) => (name === ADMINISTRATORS || addresses.some((one) => familyOf(one) === family) ? [] : [name]))
  known.set(family, names)
  return names
}

/** 4 or 6, also of a network. */
const familyOf = (address: string): number => isIP(address.split('/', 1)[0] ?? '')

const groupsOf = (site: SiteView): readonly string[] => ['all', ...new Set(site.hosts.flatMap(({ groups }) => groups))]

const membersOf = (group: string, site: SiteView): readonly HostView[] => (group === 'all' ? site.hosts : site.group(group))
