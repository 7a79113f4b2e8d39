import { isIP } from 'node:net'
import { Problem, placeOf, type Where } from '../problem.ts'
import { suggestion } from '../site/suggest.ts'
import type { Flow, HostView, Listen, Peer, SiteView } from './role.ts'

/** What one role on one host says it listens on, and the place in the playbook that put it there. */
export interface Declared {
  readonly host: HostView
  readonly role: string
  readonly listens: readonly Listen[]
  readonly where: Where
}

/** The name under which the administrators stand in a flow; their networks are an option of the firewall, so it has no addresses. */
export const ADMINISTRATORS = 'administrators'

/**
 * Every permitted way into every host: what all roles listen on, their peers resolved to hosts and addresses. A port that two
 * roles declare alike is one flow; all that cannot be is a problem with a place.
 */
export const resolveFlows = (
  declared: readonly Declared[],
  site: SiteView,
): { readonly flows: readonly Flow[]; readonly problems: readonly Problem[] } => {
  const problems: Problem[] = []
  const claims = new Map<string, { readonly flow: Flow; readonly where: Where }>()
  for (const { host, role, listens, where } of declared) {
    for (const listen of listens) {
      const complain = (what: string, fix: string): void => void problems.push(problem(where, `role ${role} on ${host.name}: ${what}`, fix))
      const from = resolvePeers(listen, site, complain)
      if (from === undefined) continue
      const { service, port, protocol } = listen
      const flow: Flow = { host: host.name, role, service, port, protocol, from }
      const key = `${host.name} ${port}/${protocol}`
      const first = claims.get(key)
      if (first === undefined || (first.flow.role === role && first.flow.service === service)) {
        claims.set(key, { flow: first === undefined ? flow : { ...flow, from: both(first.flow.from, from) }, where })
      } else if (!isSame(first.flow, flow)) {
        complain(
          `wants ${port}/${protocol} for ${service}, which role ${first.flow.role} has for ${first.flow.service} (${placeOf(first.where)})`,
          'give one of the two another port, or take one of the roles from this host',
        )
      }
    }
  }
  return { flows: [...claims.values()].map(({ flow }) => flow), problems }
}

type From = Flow['from']
type Complain = (what: string, fix: string) => void

const resolvePeers = ({ service, port, protocol, from }: Listen, site: SiteView, complain: Complain): From | undefined => {
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    complain(`${service} cannot listen on port ${port}`, 'use a port from 1 to 65535')
    return undefined
  }
  if (from.length === 0) {
    complain(`nobody may come to ${service} on ${port}/${protocol}`, 'name a group, a host, administrators or anyone, or do not listen')
    return undefined
  }
  const peers = from.map((peer) => resolvePeer(peer, `${service} on ${port}/${protocol}`, site, complain))
  if (peers.some((one) => one === undefined)) return undefined
  return peers.reduce<From>((sum, one) => both(sum, one ?? []), [])
}

const resolvePeer = (peer: Peer, service: string, site: SiteView, complain: Complain): From | undefined => {
  if (peer === 'anyone') return 'anyone'
  if (peer === 'administrators') return [{ name: ADMINISTRATORS, addresses: [] }]
  const [found, what, known] =
    'group' in peer
      ? [membersOf(peer.group, site), `group ${peer.group}`, groupsOf(site)]
      : [site.hosts.filter(({ name }) => name === peer.host), `host ${peer.host}`, site.hosts.map(({ name }) => name)]
  if (found.length === 0) {
    const wanted = 'group' in peer ? peer.group : peer.host
    complain(
      'group' in peer ? `${service} is for the ${what}, in which there is no host` : `${service} is for the ${what}, which does not exist`,
      suggestion(wanted, known, 'write one that the inventory has'),
    )
    return undefined
  }
  const nameless = found.flatMap(({ name, addresses }) => addresses.filter((one) => isIP(one) === 0).map((one) => ({ name, one })))
  const unaddressed = found.filter(({ addresses }) => addresses.length === 0)
  for (const { name, one } of nameless) complain(`${service} is for ${name}, whose address ${one} is a name`, ADDRESS_FIX(name))
  for (const { name } of unaddressed) complain(`${service} is for ${name}, which has no address`, ADDRESS_FIX(name))
  return nameless.length + unaddressed.length > 0 ? undefined : found.map(({ name, addresses }) => ({ name, addresses }))
}

// A firewall that asks a name server at boot is open or shut as that server likes.
const ADDRESS_FIX = (host: string): string => `write the IP addresses its peers see as internal: of ${host} in the inventory`

const groupsOf = (site: SiteView): readonly string[] => ['all', ...new Set(site.hosts.flatMap(({ groups }) => groups))]

const membersOf = (group: string, site: SiteView): readonly HostView[] =>
  group === 'all' ? site.hosts : site.hosts.filter(({ groups }) => groups.includes(group))

const both = (one: From, other: From): From =>
  one === 'anyone' || other === 'anyone' ? 'anyone' : [...new Map([...one, ...other].map((peer) => [peer.name, peer])).values()]

const isSame = (one: Flow, other: Flow): boolean => one.service === other.service && namesIn(one.from) === namesIn(other.from)

const namesIn = (from: From): string =>
  from === 'anyone'
    ? '*'
    : from
        .map(({ name }) => name)
        .sort()
        .join(' ')

const problem = (where: Where, what: string, fix: string): Problem => new Problem({ class: 'input', where, what, fix })
