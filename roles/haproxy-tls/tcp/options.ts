import { type Listen, network, overlap, type Peer, type SiteView, z } from 'provision'
import type { Options } from '../options.ts'
import { hostName } from '../sites/names.ts'

const port = z.int().min(1).max(65_535)

const service = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,30}$/, 'must be a short word such as mail')
    .meta({ description: 'name of the service, in HAProxy and its metrics' }),
  port: port.meta({ description: 'port at which visitors connect; 443 needs `sni`', examples: [5432] }),
  backend: z.string().min(1).meta({ description: 'group of the servers' }),
  backend_port: port.optional().meta({ description: 'port of the servers; default: `port`' }),
  sni: z
    .array(hostName(true))
    .min(1)
    .optional()
    .meta({
      description: 'names of TLS connections that are passed on undecrypted; other names go elsewhere',
      examples: [['mail.example.org']],
    }),
  from: z
    .array(z.union([z.literal('anyone'), z.strictObject({ group: z.string().min(1) }), z.strictObject({ network })]))
    .min(1)
    .meta({
      description: 'who may connect: `anyone`, groups of hosts, networks',
      examples: [['anyone'], [{ group: 'web' }, { network: '192.0.2.0/24' }]],
    }),
  check: z
    .enum(['connect', 'tls'])
    .default('connect')
    .meta({ description: 'health check of a server: whether it accepts connections, or completes a TLS handshake' }),
  balance: z.enum(['roundrobin', 'leastconn', 'source']).default('leastconn').meta({ description: 'algorithm that chooses a server' }),
  proxy_protocol: z
    .boolean()
    .default(false)
    .meta({ description: 'begin connections to servers with a header of the PROXY protocol, version 2, which has the visitor’s address' }),
  max_connections: z.int().positive().default(500).meta({ description: 'maximum number of connections per server; more wait in a queue' }),
  idle_seconds: z.int().min(1).max(86_400).default(3600).meta({ description: 'time after which an idle connection is closed' }),
})

/** Option with the services that are balanced as plain TCP. */
export const tcpOption = z
  .array(service)
  .default([])
  .meta({
    description: 'services that are balanced as plain TCP: databases, and TLS that servers decrypt themselves',
    examples: [[{ name: 'sql', port: 5432, backend: 'database', from: [{ group: 'web' }] }]],
  })

export type TcpService = z.output<typeof service>

/** The port of the sites, which services with `sni` may share. */
export const HTTPS = 443

const isAnyone = ({ from }: TcpService): boolean => from.includes('anyone')

/** Ports of the services. That of the sites is open to anyone already. */
export const tcpListens = ({ tcp }: Options): readonly Listen[] =>
  tcp
    .filter(({ port: at }) => at !== HTTPS)
    .map((one) => ({
      ...{ service: `tcp-${one.port}`, port: one.port, protocol: 'tcp' as const },
      encrypted: one.sni !== undefined || one.check === 'tls',
      from: one.from as readonly Peer[],
    }))

/** Networks and addresses that may connect; undefined: all. */
export const admittedTo = (service: TcpService, site: SiteView): readonly string[] | undefined =>
  isAnyone(service)
    ? undefined
    : service.from.flatMap((one) => {
        if (one === 'anyone') return []
        if ('network' in one) return [one.network]
        return site.group(one.group).flatMap(({ addresses }) => addresses.filter((address) => overlap(address, address)))
      })

/** Services that could not work together, or with the sites. */
export const tcpFaults = (given: Options, view: SiteView) =>
  given.tcp.flatMap((one, i) => {
    const fault = (key: string, what: string, fix: string) => ({ path: ['tcp', i, key], what, fix })
    const earlier = given.tcp.slice(0, i)
    const same = earlier.filter(({ port: at }) => at === one.port)
    const siteNames = given.certificates.flatMap(({ names }) => names)
    return [
      ...(earlier.some(({ name }) => name === one.name)
        ? [fault('name', `${one.name} is the name of two services`, 'choose another name')]
        : []),
      ...(view.group(one.backend).length === 0
        ? [fault('backend', `group ${one.backend} has no hosts`, 'set `backend` to the group of the servers')]
        : []),
      ...([80, given.status_port].includes(one.port)
        ? [fault('port', `port ${one.port} is used by the balancer itself`, 'choose another port')]
        : []),
      ...(one.port === HTTPS && one.sni === undefined
        ? [fault('port', 'port 443 is that of the sites', 'set `sni` to the names whose connections are passed on')]
        : []),
      ...(one.port === HTTPS && !isAnyone(one)
        ? [fault('from', 'port 443 is open to anyone', 'set `from: [anyone]`, or choose another port')]
        : []),
      ...(one.sni === undefined && same.some(({ sni }) => sni === undefined)
        ? [fault('port', `port ${one.port} is that of service ${same[0]?.name}`, 'choose another port, or set `sni` of one of them')]
        : []),
      ...(same.some(({ from }) => JSON.stringify(from) !== JSON.stringify(one.from))
        ? [fault('from', `service ${same[0]?.name} admits others to port ${one.port}`, 'set the same `from` for all services of a port')]
        : []),
      ...(one.sni ?? [])
        .filter((name) => same.some(({ sni = [] }) => sni.includes(name)))
        .map((name) => fault('sni', `${name} belongs to two services of port ${one.port}`, 'remove it from one of them')),
      ...(one.port !== HTTPS ? [] : (one.sni ?? []))
        .filter((name) => siteNames.includes(name))
        .map((name) =>
          fault('sni', `${name} is also in certificates, and its connections would not reach the site`, 'remove it from one of them'),
        ),
    ]
  })
