import type { Options } from './options.ts'

export interface Server {
  readonly name: string
  readonly address: string
  readonly port: number
}

/** How the balancer and its servers know each other: what it shows them, what it trusts, and the name that each must have. */
export interface Edge {
  readonly certificate: string
  readonly trusted: string
  nameOf(server: string): string
}

/** One site: the names that lead to it, and the servers behind. */
export interface Backend {
  readonly names: readonly string[]
  readonly group: string
  readonly balance: Options['balance']
  readonly sticky: boolean
  readonly health: { readonly path: string; readonly host: string; readonly status: number }
  readonly maxConnections: number
  readonly slowStartSeconds: number
  readonly servers: readonly Server[]
}

/** What HAProxy and its metrics call it: `web`, or `web.shop.example.org` where several sites are told apart. */
export const backendName = ({ group, names: [first] }: Backend): string =>
  first === undefined ? group : `${group}.${first.replace('*', 'any')}`

/** The lines of its section. */
export const backendLines = (
  { balance, sticky, health, maxConnections, slowStartSeconds, servers }: Backend,
  edge: Edge,
): readonly string[] => [
  `balance ${balance}`,
  ...(sticky ? ['cookie provision_server insert indirect nocache httponly secure attr "SameSite=Lax"'] : []),
  'option httpchk',
  `http-check send meth GET uri ${health.path} ver HTTP/1.1 hdr Host ${health.host}`,
  `http-check expect status ${health.status}`,
  `default-server ssl verify required ca-file ${edge.trusted} crt ${edge.certificate} check inter 2s fastinter 500ms downinter 1s fall 2 rise 2 maxconn ${maxConnections}${slowStartSeconds === 0 ? '' : ` slowstart ${slowStartSeconds}s`} on-marked-down shutdown-sessions`,
  ...servers.map(
    ({ name, address, port }) =>
      `server ${name} ${bracketed(address)}:${port} ${identity(edge.nameOf(name))}${sticky ? ` cookie ${name}` : ''}`,
  ),
]

// A health check has a way of its own to say whom it wants.
const identity = (name: string): string => `sni str(${name}) check-sni ${name} verifyhost ${name}`

const bracketed = (address: string): string => (address.includes(':') ? `[${address}]` : address)
