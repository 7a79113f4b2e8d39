import { type Connection, type Exposed, type Flow, type HostView, overlap, type SiteView } from 'provision'
import { networksOf } from './networks.ts'
import type { Options } from './options.ts'
import type { Outgoing, Peers, SitePort } from './rules/policy.ts'

interface Surroundings {
  readonly host: HostView
  readonly site: SiteView
  readonly flows: readonly Flow[]
  readonly exposed: readonly Exposed[]
}

/** The ports of the site to which this host may connect, by the flows of all roles; also the pages that monitoring requests. */
export const sitePorts = ({ host, site, flows, exposed }: Surroundings): readonly SitePort[] => [
  ...flows
    .filter(({ from }) => from === 'anyone' || from.some(({ name, addresses }) => name === host.name || isAmong(host, addresses)))
    .flatMap((flow): readonly SitePort[] => {
      const target = site.hosts.find(({ name }) => name === flow.host)
      const addresses = target === undefined ? [] : [...new Set([...target.addresses, ...target.publicAddresses])].filter(isAddress)
      return [{ name: `${flow.service} of ${flow.host}`, addresses, port: flow.port, protocol: flow.protocol }]
    }),
  ...exposed.flatMap((one): readonly SitePort[] => {
    if (one.type !== 'probe') return []
    const { hostname, port, protocol } = new URL(one.url)
    const address = hostname.replace(/^\[(.*)\]$/, '$1')
    const defaultPort = protocol === 'https:' ? 443 : 80
    return isAddress(address) ? [{ name: one.name, addresses: [address], port: Number(port) || defaultPort, protocol: 'tcp' }] : []
  }),
]

const isAddress = (text: string): boolean => overlap(text, text)

const isAmong = ({ addresses, publicAddresses }: HostView, networks: readonly string[]): boolean =>
  [...addresses, ...publicAddresses].some((own) => networks.some((network) => overlap(network, own)))

/** The connections of the roles of this host to places outside the site. */
export const connectionsOf = (connections: readonly (Connection & { readonly role: string })[]): readonly Outgoing[] => {
  const all = connections.map(({ role, service, port, protocol }) => ({
    name: `${role} ${service}`,
    port,
    protocol,
    to: 'anyone' as const,
    why: undefined,
  }))
  return all.filter((one, i) => all.findIndex((other) => other.port === one.port && other.protocol === one.protocol) === i)
}

/** The permitted outgoing flows of the option, with the addresses of their peers. */
export const outgoingOf = ({ outgoing, sets }: Options, site: SiteView): readonly Outgoing[] =>
  Object.entries(outgoing.to).map(([name, { port, protocol, to, why }]) => ({
    ...{ name, port, protocol, why },
    to: to.includes('anyone') ? 'anyone' : to.map((word) => peerOf(word, sets, site)),
  }))

const peerOf = (word: string, sets: Options['sets'], site: SiteView): Peers[number] => {
  const networks = networksOf([word], sets)
  if (networks.length > 0) return { name: word, addresses: networks }
  const addresses = site.group(word).flatMap((host) => [...host.addresses, ...host.publicAddresses])
  return { name: word, addresses: [...new Set(addresses)].filter(isAddress) }
}
