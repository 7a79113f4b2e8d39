import { network, overlap, type SiteView, z } from 'provision'
import { inLines } from './lines.ts'

const networks = z.array(network).min(1)

/** Option with the proxies in front of the balancer. */
export const trustedProxies = z
  .union([
    networks.transform((all) => ({ networks: all, header: 'X-Forwarded-For', proxy_protocol: false })),
    z.strictObject({
      networks,
      header: z
        .string()
        .regex(/^[A-Za-z0-9-]+$/, 'must be a header name')
        .default('X-Forwarded-For')
        .meta({ description: 'request header with the visitor’s address' }),
      proxy_protocol: z
        .boolean()
        .default(false)
        .meta({ description: 'connections from these networks begin with a header of the PROXY protocol, version 1 or 2' }),
    }),
  ])
  .optional()
  .meta({
    description: 'networks of a CDN or an outer balancer that reports the visitor’s address',
    examples: [['192.0.2.0/24'], { networks: ['192.0.2.0/24'], header: 'CF-Connecting-IP' }],
  })

type Proxies = z.output<typeof trustedProxies>

/** Networks that would trust every visitor, or demand a PROXY header from hosts that send none. */
export const proxyFaults = (proxies: Proxies, site: SiteView) =>
  proxies === undefined
    ? []
    : proxies.networks.flatMap((one) => {
        const fault = (what: string, fix: string) => [{ path: ['trusted_proxies'], what, fix }]
        if (one.endsWith('/0'))
          return fault(`${one} contains every visitor, who could report any address`, 'list the networks of the proxies only')
        if (!proxies.proxy_protocol) return []
        if (['127.0.0.0/8', '::1'].some((own) => overlap(one, own)))
          return fault(`${one} contains loopback, from which health checks come without a PROXY header`, 'remove it')
        const monitor = site.withRole('monitoring').find(({ addresses }) => addresses.some((address) => overlap(one, address)))
        if (monitor === undefined) return []
        return fault(`${monitor.name} is in ${one}, and its probes have no PROXY header`, 'list the addresses of the proxies only')
      })

/** The longest chain of trusted proxies that is followed. */
const HOPS = 5

const FROM_PROXY = 'from-trusted-proxy'

/** Lines of a frontend that demand a PROXY header from trusted proxies. */
export const acceptLines = (proxies: Proxies): readonly string[] =>
  proxies === undefined || !proxies.proxy_protocol
    ? []
    : [...aclLines(proxies), `tcp-request connection expect-proxy layer4 if ${FROM_PROXY}`]

/**
 * Lines that make the visitor's address the source of a request: each trusted proxy reports the address that connected to it. HAProxy 2.4 keeps a
 * changed source for the whole connection, so that of the connection is restored first.
 */
export const sourceLines = (proxies: Proxies): readonly string[] =>
  proxies === undefined
    ? []
    : [
        ...(proxies.proxy_protocol ? [] : aclLines(proxies)),
        'tcp-request session set-var(sess.peer) src',
        'http-request set-src var(sess.peer)',
        ...Array.from(
          { length: HOPS },
          (_, i) => `http-request set-src ${hop(proxies.header, i + 1)} if ${[FROM_PROXY, ...known(proxies.header, i)].join(' ')}`,
        ),
      ]

/** The address at this place, counted from the end of the header, where each proxy adds one. */
const hop = (header: string, place: number): string => `req.hdr_ip(${header},-${place})`

/** Conditions that the last entries are addresses. A visitor may have forged the entries before another value. */
const known = (header: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, i) => `{ ${hop(header, i + 1)} -m found }`)

const aclLines = ({ networks: all }: Exclude<Proxies, undefined>): readonly string[] =>
  inLines(all).map((some) => `acl ${FROM_PROXY} src ${some.join(' ')}`)
