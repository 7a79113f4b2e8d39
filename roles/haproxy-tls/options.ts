import { network, secret, z } from 'provision'
import { ownOption } from './certificates/own.ts'
import { trustedProxies } from './config/proxies.ts'
import { hostName } from './sites/names.ts'
import { partOptions, redirectOption } from './sites/parts.ts'
import { tcpOption } from './tcp/options.ts'
import { virtualOptions } from './virtual-address/virtual-address.ts'

const ipAddress = z.union([z.ipv4(), z.ipv6()])

// Characters without a special meaning to HAProxy.
const path = z.string().regex(/^\/[A-Za-z0-9/._~%@:+,=&?*!()-]*$/, 'must be a path without spaces, quotes, backslashes and dollar signs')
const seconds = z.number().min(0.1).max(86_400)
const headerName = z.string().regex(/^[A-Za-z0-9-]+$/, 'must be a header name')
const headerValue = z.string().regex(/^[ !#-~]*$/, 'must be one line without quotes')
const line = z.string().regex(/^[^\n\r\0]+$/, 'must be one line')

/** Options of a site's servers. At the top level they are the defaults of all sites. */
const backend = {
  backend: z.string().meta({ description: 'group of the web servers' }),
  balance: z
    .enum(['roundrobin', 'leastconn', 'source'])
    .meta({ description: 'algorithm: in turn, to the server with the fewest connections, or by the visitor’s address' }),
  sticky: z.boolean().meta({ description: 'keep a visitor on one server with a cookie' }),
  health_path: path.meta({ description: 'path that a healthy web server answers with `health_status`' }),
  health_host: hostName(false).optional().meta({ description: 'Host header of the health check; default: the first name of the site' }),
  health_status: z.int().min(100).max(599).meta({ description: 'status of a healthy web server' }),
  max_connections: z.int().positive().meta({ description: 'maximum number of concurrent requests per server; more wait in a queue' }),
  probe: z
    .strictObject({ path: path.default('/'), status: z.int().min(200).max(499).default(200) })
    .optional()
    .meta({
      description:
        'request that shows visitors are served, and its status, for monitoring and `verify`; default: `probe` of the web server’s site, or any page without an error',
      examples: [{ path: '/login', status: 200 }],
    }),
  slow_start_seconds: z.int().min(0).max(3600).meta({ description: 'time in which a recovered server reaches its full share of requests' }),
}

const site = z.strictObject({
  names: z
    .array(hostName(true))
    .min(1)
    .meta({ description: 'host names of the site', examples: [['shop.example.org']] }),
  redirect: redirectOption,
  ...partOptions,
  ...(Object.fromEntries(Object.entries(backend).map(([key, schema]) => [key, schema.optional()])) as {
    [Key in keyof typeof backend]: z.ZodOptional<(typeof backend)[Key]>
  }),
})

/** The options of haproxy-tls. */
export const options = z.strictObject({
  certificates: z
    .array(
      z.strictObject({
        names: z
          .array(z.union([hostName(true), ipAddress], { error: 'must be a full host name, *.example.org, or an IP address' }))
          .min(1)
          .max(100)
          .meta({ description: 'names of one certificate', examples: [['www.example.org', 'example.org']] }),
        key: z
          .enum(['ecdsa', 'rsa', 'both'])
          .default('ecdsa')
          .meta({ description: 'type of the key; `both` orders two certificates, and clients choose' }),
        profile: z
          .string()
          .min(1)
          .optional()
          .meta({ description: 'profile of this certificate; default: `acme.profile`', examples: ['shortlived'] }),
        own: ownOption.optional(),
      }),
    )
    .min(1),
  acme: z
    .strictObject({
      directory: z
        .string()
        .default('letsencrypt')
        .meta({ description: '`letsencrypt`, `letsencrypt-staging`, or the https address of an ACME directory' }),
      contact: z.email().optional().meta({ description: 'e-mail address for warnings of the authority' }),
      ca_file: z.string().optional().meta({ description: 'PEM file that verifies the ACME directory, for a private authority' }),
      external_account: z
        .strictObject({
          kid: z.string().min(1).meta({ description: 'key identifier' }),
          hmac_key: secret().meta({ description: 'HMAC key, in base64url' }),
        })
        .optional()
        .meta({ description: 'your account at the authority, for authorities that require one (External Account Binding)' }),
      profile: z
        .string()
        .min(1)
        .optional()
        .meta({ description: 'profile of the certificates, for authorities that offer several', examples: ['tlsserver'] }),
      dns_hook: z
        .array(z.string().min(1))
        .min(1)
        .optional()
        .meta({
          description: 'command on this machine that publishes TXT records; selects DNS-01 validation, which wildcards need',
          examples: [['./dns.sh']],
        }),
      dns_update: z
        .strictObject({
          server: z
            .union([hostName(false), ipAddress], { error: 'must be a host name or an IP address' })
            .meta({ description: 'primary name server of the domain' }),
          port: z.int().min(1).max(65_535).default(53),
          key: z
            .strictObject({
              name: z.string().regex(/^[A-Za-z0-9._-]{1,250}$/, 'must be the name of a key'),
              algorithm: z.enum(['hmac-sha256', 'hmac-sha384', 'hmac-sha512']).default('hmac-sha256'),
              secret: secret().meta({ description: 'secret of the key, in base64' }),
            })
            .meta({ description: 'key of TSIG, which may update TXT records of the domain' }),
          wait_seconds: z
            .int()
            .min(0)
            .max(600)
            .default(10)
            .meta({ description: 'time until all name servers of the domain have a new record' }),
        })
        .optional()
        .meta({ description: 'name server that takes signed updates (RFC 2136), in place of `dns_hook`' }),
      try_first: z
        .string()
        .optional()
        .meta({
          description: 'ACME directory that must issue a certificate before the first order here',
          examples: ['letsencrypt-staging'],
        }),
    })
    .prefault({}),
  sites: z.array(site).default([]).meta({ description: 'sites by host name; default: all names go to `backend`' }),
  backend: backend.backend.default('web'),
  balance: backend.balance.default('roundrobin'),
  sticky: backend.sticky.default(false),
  health_path: backend.health_path.default('/healthz'),
  health_host: backend.health_host,
  health_status: backend.health_status.default(200),
  max_connections: backend.max_connections.default(500),
  probe: backend.probe,
  slow_start_seconds: backend.slow_start_seconds.default(10),
  ...partOptions,
  trusted_proxies: trustedProxies,
  retry_posts: z
    .boolean()
    .default(false)
    .meta({ description: 'retry requests other than GET on a second server if the first one fails; they may be executed twice' }),
  timeouts: z
    .strictObject({
      connect: seconds.default(3),
      client: seconds.default(30),
      server: seconds.default(30),
      queue: seconds.default(10),
      request: seconds.default(10).meta({ description: 'time for a client to send all headers of a request' }),
      keep_alive: seconds.default(10),
      tunnel: seconds.default(3600),
    })
    .prefault({})
    .meta({ description: 'timeouts in seconds' }),
  rate_limit: z
    .union([
      z.literal(false),
      z.strictObject({
        requests: z.int().positive().default(2000),
        seconds: z.int().min(1).max(3600).default(10),
        except: z.array(network).default([]).meta({ description: 'addresses and networks that are not counted' }),
      }),
    ])
    .prefault({})
    .meta({ description: 'limit of requests per client address (IPv6: per /64); more get status 429' }),
  tls: z
    .enum(['intermediate', 'modern'])
    .default('intermediate')
    .meta({ description: "Mozilla's TLS profile: TLS 1.2 and 1.3, or 1.3 only" }),
  http3: z.boolean().default(false).meta({ description: 'offer HTTP/3 too, on port 443 (UDP); needs Debian 13, Ubuntu 24.04 or later' }),
  hsts_seconds: z.int().min(0).default(63_072_000).meta({ description: 'how long browsers remember to use HTTPS only' }),
  headers: z
    .record(headerName, z.union([headerValue, z.literal(false)]))
    .default({})
    .meta({ description: 'response headers to add or replace; `false` removes one' }),
  compression: z
    .boolean()
    .default(false)
    .meta({ description: 'compress responses that servers did not; unsafe if a page shows both a secret and input of the visitor' }),
  error_pages: z.string().optional().meta({ description: 'directory of the project with error pages: 403.html, 429.html, 503.html …' }),
  status_port: z.int().min(1).max(65535).default(8405).meta({ description: 'port of statistics and metrics, on loopback only' }),
  drain_seconds: z
    .int()
    .min(1)
    .max(600)
    .default(30)
    .meta({ description: 'time in which a drained server may finish its requests before it is changed' }),
  healthy_seconds: z
    .int()
    .min(1)
    .max(3600)
    .default(30)
    .meta({ description: 'time in which a changed server must become healthy, or its changes are reverted' }),
  extra: z
    .strictObject({
      global: z.array(line).default([]),
      defaults: z.array(line).default([]),
      http: z.array(line).default([]),
      https: z.array(line).default([]),
      backend: z.array(line).default([]),
    })
    .prefault({})
    .meta({ description: 'additional lines of haproxy.cfg by section; validated with the rest of the file' }),
  share: z
    .strictObject({
      cpu_weight: z.int().min(1).max(10_000).default(200),
      io_weight: z.int().min(1).max(10_000).default(100),
      memory_percent: z
        .int()
        .min(5)
        .max(100)
        .default(50)
        .meta({ description: 'memory limit as a percentage of the host; systemd restarts HAProxy above the limit' }),
    })
    .prefault({})
    .meta({ description: 'share of a host that HAProxy shares with other services, which have the weight 100' }),
  tcp: tcpOption,
  ipv6: z.boolean().default(true).meta({ description: 'listen on IPv6 too' }),
  ...virtualOptions,
})

export type Options = z.output<typeof options>
