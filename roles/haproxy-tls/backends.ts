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

/** What changes something goes to the same servers by another section. */
export const onceName = (backend: Backend): string => `${backendName(backend)}.once`

/** Its section's lines: servers are asked whether they are well, and a request that failed may go to another one. */
export const backendLines = (backend: Backend, edge: Edge): readonly string[] => {
  const { balance, sticky, health } = backend
  return [
    ...choiceLines(balance, sticky),
    'option httpchk',
    `http-check send meth GET uri ${health.path} ver HTTP/1.1 hdr Host ${health.host}`,
    `http-check expect status ${health.status}`,
    defaultLine(backend, edge, 'check inter 2s fastinter 500ms downinter 1s fall 2 rise 2'),
    ...serverLines(backend, (name) => `sni str(${edge.nameOf(name)}) check-sni ${edge.nameOf(name)} verifyhost ${edge.nameOf(name)}`),
  ]
}

/**
 * The lines of the section for what changes something: it is sent to one server, once. So it goes over a connection of its own: one
 * that was kept may be closed by its server (which reloads) at this very moment, and nobody could tell whether it was carried out.
 */
export const onceLines = (backend: Backend, edge: Edge): readonly string[] => {
  const { balance, sticky } = backend
  return [
    ...choiceLines(balance, sticky),
    'retry-on conn-failure',
    'http-reuse never',
    'option http-server-close',
    defaultLine(backend, edge),
    ...serverLines(
      backend,
      (name) => `sni str(${edge.nameOf(name)}) verifyhost ${edge.nameOf(name)} track ${backendName(backend)}/${name}`,
    ),
  ]
}

const choiceLines = (balance: string, sticky: boolean): readonly string[] => [
  `balance ${balance}`,
  ...(sticky ? ['cookie provision_server insert indirect nocache httponly secure attr "SameSite=Lax"'] : []),
]

const defaultLine = ({ maxConnections, slowStartSeconds }: Backend, { trusted, certificate }: Edge, check?: string): string =>
  [
    `default-server ssl verify required ca-file ${trusted} crt ${certificate}`,
    ...(check === undefined ? [] : [check]),
    `maxconn ${maxConnections}`,
    ...(slowStartSeconds === 0 ? [] : [`slowstart ${slowStartSeconds}s`]),
  ].join(' ')

// A health check has a way of its own to say whom it wants. What was sent to a host that is gone is given up after `tcp-ut`, which
// HAProxy does not take over from a default-server line.
const serverLines = ({ servers, sticky }: Backend, identity: (name: string) => string): readonly string[] =>
  servers.map(
    ({ name, address, port }) =>
      `server ${name} ${bracketed(address)}:${port} ${identity(name)} tcp-ut 3s${sticky ? ` cookie ${name}` : ''}`,
  )

const bracketed = (address: string): string => (address.includes(':') ? `[${address}]` : address)
