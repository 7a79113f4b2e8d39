import { bracketed } from 'provision'
import type { Options } from '../options.ts'
import type { SiteParts } from '../sites/parts.ts'
import { type Rules, ruleLines, slug } from './rules.ts'

export interface Server {
  readonly name: string
  readonly address: string
  readonly port: number
}

/** Mutual TLS between the balancer and its servers: its client certificate, its trusted authority, and the names of the servers. */
export interface Edge {
  readonly certificate: string
  readonly trusted: string
  nameOf(server: string): string
}

/** A site, or a part of it with its own web servers. */
export interface Backend {
  readonly names: readonly string[]
  readonly group: string
  /** The requests that it serves: those below a path, or those of a share of the visitors. Default: all others of the site. */
  readonly at?: { readonly path: string } | { readonly percent: number }
  readonly balance: Options['balance']
  readonly sticky: boolean
  readonly health: { readonly path: string; readonly host: string; readonly status: number }
  readonly maxConnections: number
  readonly slowStartSeconds: number
  readonly weights: Exclude<SiteParts['weights'], undefined>
  readonly maintenance: SiteParts['maintenance']
  readonly rules: Rules
  readonly servers: readonly Server[]
}

/** Name of the section in HAProxy and its metrics: `web`, or `web.shop.example.org` with several sites, or `api.shop.example.org:api`. */
export const backendName = (backend: Pick<Backend, 'group' | 'names' | 'at'>): string => {
  const { group, names } = backend
  return `${names[0] === undefined ? group : `${group}.${names[0].replace('*', 'any')}`}${partName(backend)}`
}

/** Suffix of a part in names of sections and cookies. It is unique, because no path contains `//`. */
const partName = ({ at }: Pick<Backend, 'at'>): string => (at === undefined ? '' : 'path' in at ? slug(at.path) : '::canary')

/** Name of the section for requests other than GET, with the same servers. */
export const onceName = (backend: Backend): string => `${backendName(backend)}.once`

/** Lines of the section for GET requests: servers are health-checked, and a failed request may be retried on another one. */
export const backendLines = (backend: Backend, edge: Edge): readonly string[] => {
  const { health } = backend
  return [
    ...ruleLines(backend.rules),
    ...choiceLines(backend),
    // A slow response is never a reason to send a request again.
    'retry-on conn-failure empty-response',
    'option httpchk',
    `http-check send meth GET uri ${health.path} ver HTTP/1.1 hdr Host ${health.host}`,
    `http-check expect status ${health.status}`,
    defaultLine(backend, edge, 'check inter 2s fastinter 500ms downinter 1s fall 2 rise 2'),
    ...serverLines(backend, (name) => `sni str(${edge.nameOf(name)}) check-sni ${edge.nameOf(name)} verifyhost ${edge.nameOf(name)}`),
  ]
}

/**
 * Lines of the section for other requests, which are sent to one server, once. Each uses a new connection: a server that reloads may
 * close a reused one at that moment, and it would be unknown whether the request was executed.
 */
export const onceLines = (backend: Backend, edge: Edge): readonly string[] => [
  ...ruleLines(backend.rules),
  ...choiceLines(backend),
  'retry-on conn-failure',
  'http-reuse never',
  'option http-server-close',
  defaultLine(backend, edge),
  ...serverLines(backend, (name) => `sni str(${edge.nameOf(name)}) verifyhost ${edge.nameOf(name)} track ${backendName(backend)}/${name}`),
]

const choiceLines = (backend: Backend): readonly string[] => [
  `balance ${backend.balance}`,
  ...(backend.sticky
    ? [`cookie provision_server${partName(backend).replaceAll(':', '.')} insert indirect nocache httponly secure attr "SameSite=Lax"`]
    : []),
]

const defaultLine = ({ maxConnections, slowStartSeconds }: Backend, { trusted, certificate }: Edge, check?: string): string =>
  [
    `default-server ssl verify required ca-file ${trusted} crt ${certificate}`,
    ...(check === undefined ? [] : [check]),
    `maxconn ${maxConnections}`,
    ...(slowStartSeconds === 0 ? [] : [`slowstart ${slowStartSeconds}s`]),
  ].join(' ')

// Health checks have a separate option for SNI. `tcp-ut` limits the wait for a lost host; HAProxy ignores it on a default-server line.
const serverLines = ({ servers, sticky, weights }: Backend, identity: (name: string) => string): readonly string[] =>
  servers.map(
    ({ name, address, port }) =>
      `server ${name} ${bracketed(address)}:${port} ${identity(name)} tcp-ut 3s${sticky ? ` cookie ${name}` : ''}${Object.keys(weights).length === 0 ? '' : ` weight ${weights[name] ?? 100}`}`,
  )
