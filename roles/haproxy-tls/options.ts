import { z } from 'provision'
import { virtualOptions } from './virtual-address.ts'

const label = '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?'
const hostName = (wildcard: boolean) =>
  z
    .string()
    .toLowerCase()
    .max(253)
    .regex(
      new RegExp(`^${wildcard ? '(\\*\\.)?' : ''}(${label}\\.)+[a-z0-9-]{2,63}$`),
      wildcard ? 'write a full host name such as www.example.org, or *.example.org' : 'write a full host name such as www.example.org',
    )

// Signs that HAProxy takes as they are: none of them ends a word or a line, or stands for something else.
const path = z.string().regex(/^\/[A-Za-z0-9/._~%@:+,=&?*!()-]*$/, 'must be a path without spaces, quotes, backslashes and dollar signs')
const seconds = z.number().min(0.1).max(86_400)
const headerName = z.string().regex(/^[A-Za-z0-9-]+$/, 'must be the name of a header')
const headerValue = z.string().regex(/^[ !#-~]*$/, 'must be one line without quotes')
const line = z.string().regex(/^[^\n\r\0]+$/, 'must be one line')
const network = z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()], { error: 'must be an IP address or a network such as 192.0.2.0/24' })

/** How one site reaches its servers. Beside `sites` these stand for all of them. */
const backend = {
  backend: z.string().meta({ description: 'group of the hosts that serve the site' }),
  balance: z
    .enum(['roundrobin', 'leastconn', 'source'])
    .meta({ description: 'in turn, to whom has the fewest connections, or by the visitor’s address' }),
  sticky: z.boolean().meta({ description: 'a visitor stays with one server, by a cookie' }),
  health_path: path.meta({ description: 'must answer `health_status` on a web server that is well' }),
  health_host: hostName(false).optional().meta({ description: 'the Host that it is asked for; the first name of the site' }),
  health_status: z.int().min(100).max(599),
  max_connections: z.int().positive().meta({ description: 'requests that one server is given at once; more wait in a queue' }),
  slow_start_seconds: z.int().min(0).max(3600).meta({ description: 'a server that comes back gets its full share only after this' }),
}

const site = z.strictObject({
  names: z
    .array(hostName(true))
    .min(1)
    .meta({ description: 'host names of the site', examples: [['shop.example.org']] }),
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
          .array(hostName(true))
          .min(1)
          .max(100)
          .meta({ description: 'names of one certificate', examples: ['www.example.org'] }),
        key: z
          .enum(['ecdsa', 'rsa', 'both'])
          .default('ecdsa')
          .meta({ description: '`both`: two certificates; visitors get what they can' }),
      }),
    )
    .min(1),
  acme: z
    .strictObject({
      directory: z
        .string()
        .default('letsencrypt')
        .meta({ description: 'letsencrypt, letsencrypt-staging, or the https address of an ACME directory' }),
      contact: z.email().optional().meta({ description: 'mail address for warnings of the authority' }),
      ca_file: z.string().optional().meta({ description: 'PEM file that verifies the directory itself, for authorities of your own' }),
      dns_hook: z
        .array(z.string().min(1))
        .min(1)
        .optional()
        .meta({
          description: 'a command on this machine that publishes TXT records: names are proved by DNS-01 then, wildcards too',
          examples: [['./dns.sh']],
        }),
      try_first: z
        .string()
        .optional()
        .meta({ description: 'a directory that must issue before the very first order here', examples: ['letsencrypt-staging'] }),
    })
    .prefault({}),
  sites: z.array(site).default([]).meta({ description: 'which names go to which servers; left out: all go to `backend`' }),
  backend: backend.backend.default('web'),
  balance: backend.balance.default('roundrobin'),
  sticky: backend.sticky.default(false),
  health_path: backend.health_path.default('/healthz'),
  health_host: backend.health_host,
  health_status: backend.health_status.default(200),
  max_connections: backend.max_connections.default(500),
  slow_start_seconds: backend.slow_start_seconds.default(10),
  retry_posts: z
    .boolean()
    .default(false)
    .meta({ description: 'send also what is not a GET to a second server after the first broke off: it may be carried out twice' }),
  timeouts: z
    .strictObject({
      connect: seconds.default(3),
      client: seconds.default(30),
      server: seconds.default(30),
      queue: seconds.default(10),
      request: seconds.default(10).meta({ description: 'for a visitor to send the whole head of a request' }),
      keep_alive: seconds.default(10),
      tunnel: seconds.default(3600),
    })
    .prefault({})
    .meta({ description: 'in seconds' }),
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
    .meta({ description: 'requests of one address (IPv6: one /64); more are answered 429' }),
  tls: z.enum(['intermediate', 'modern']).default('intermediate').meta({ description: "Mozilla's profile: TLS 1.2 and 1.3, or 1.3 only" }),
  hsts_seconds: z.int().min(0).default(63_072_000).meta({ description: 'how long browsers remember to come by HTTPS only' }),
  headers: z
    .record(headerName, z.union([headerValue, z.literal(false)]))
    .default({})
    .meta({ description: 'headers of every answer: added to ours, or in their place; false takes one away' }),
  compression: z
    .boolean()
    .default(false)
    .meta({ description: 'compress what servers did not; not where secrets stand beside what visitors send' }),
  error_pages: z.string().optional().meta({ description: 'directory of the project with 403.html, 429.html, 503.html …' }),
  status_port: z.int().min(1).max(65535).default(8405).meta({ description: 'statistics and metrics, on loopback only' }),
  drain_seconds: z
    .int()
    .min(1)
    .max(600)
    .default(30)
    .meta({ description: 'how long a server may finish its requests before it is changed' }),
  extra: z
    .strictObject({
      global: z.array(line).default([]),
      defaults: z.array(line).default([]),
      http: z.array(line).default([]),
      https: z.array(line).default([]),
      backend: z.array(line).default([]),
    })
    .prefault({})
    .meta({ description: 'lines of your own for these sections, as haproxy.cfg has them; checked with all the rest' }),
  share: z
    .strictObject({
      cpu_weight: z.int().min(1).max(10_000).default(200),
      io_weight: z.int().min(1).max(10_000).default(100),
      memory_percent: z
        .int()
        .min(5)
        .max(100)
        .default(50)
        .meta({ description: 'of the host; if it takes more, it is ended and started anew' }),
    })
    .prefault({})
    .meta({ description: 'what HAProxy may take where it shares the host; all else of the system weighs 100' }),
  ipv6: z.boolean().default(true).meta({ description: 'listen on IPv6 too' }),
  ...virtualOptions,
})

export type Options = z.output<typeof options>
