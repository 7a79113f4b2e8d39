import { accessOptions, applicationShape, redirect, unquotedPath, z } from 'provision'
import { corsOption, locationsOption, proxyOption, redirectsOption } from './locations.ts'

const port = z.int().min(1).max(65535)
const lines = z.string().regex(/^[^\0]*$/)
const size = z.string().regex(/^[0-9]+[kmg]?$/, 'must be a size such as 512k or 10m')
const hostName = z
  .string()
  .toLowerCase()
  .max(253)
  .regex(/^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9-]{1,63}$/, 'must be a host name such as www.example.org or *.example.org')
const header = z.string().regex(/^[^\p{Cc}"\\$]*$/u, 'must be one line without quotes, backslashes and dollar signs')

const content = z
  .string()
  .min(1)
  .meta({ description: 'directory or archive (.tar, .tar.gz) of the project to serve', examples: ['playbooks/site'] })

const cache = z.union([z.enum(['forever', 'never']), z.int().min(0)])

const app = z.strictObject(applicationShape)

/** Options of a site. */
export const siteOptions = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,30}$/, 'must be a short word such as shop')
    .meta({ description: 'name of the site, used for its files on the host' }),
  hosts: z.array(hostName).default([]).meta({ description: 'host names of the site; without any, the site serves all other names' }),
  content: content.optional(),
  proxy: proxyOption,
  redirect: redirect.optional(),
  app: app.optional().meta({ description: 'application that this role runs' }),
  index: z
    .string()
    .regex(/^[A-Za-z0-9._~-]+$/, 'must be a file name')
    .default('index.html')
    .meta({ description: 'file served for a directory' }),
  fallback: unquotedPath
    .optional()
    .meta({ description: 'path served for paths without a file, for single-page applications', examples: ['/index.html'] }),
  errors: z
    .record(z.string().regex(/^[45][0-9][0-9]$/, 'must be a status such as 404'), unquotedPath)
    .default({})
    .meta({ description: 'error pages by status' }),
  cache: z
    .record(z.string().regex(/^[\w./*-]+$/, 'must be a pattern such as *.css or /assets/**'), cache)
    .default({})
    .meta({ description: 'caching in browsers by path pattern: seconds, `forever` or `never`' }),
  headers: z
    .record(z.string().regex(/^[A-Za-z0-9-]+$/, 'must be a header name'), header)
    .default({})
    .meta({ description: 'headers of every response' }),
  probe: z
    .strictObject({ path: unquotedPath.default('/'), status: z.int().min(200).max(499).default(200) })
    .optional()
    .meta({
      description:
        'request that shows visitors are served, and its status, for monitoring and `verify`; default: any page without an error',
      examples: [{ path: '/login', status: 200 }],
    }),
  health: unquotedPath.optional().meta({ description: 'path of the application that `/healthz` requests; default: nginx answers itself' }),
  body_max: size.default('1m').meta({ description: 'largest request body' }),
  stream_uploads: z.boolean().default(false).meta({
    description: 'whether the application gets a request body while it arrives; otherwise nginx receives it first, on its disk',
  }),
  timeout_seconds: z
    .int()
    .min(1)
    .max(3600)
    .optional()
    .meta({ description: 'maximum response time of the application; default: that of the load balancers' }),
  requests_per_second: z.int().min(1).optional().meta({ description: 'limit per visitor; more get status 429' }),
  connections: z.int().min(1).optional().meta({ description: 'limit of concurrent connections per visitor; more get status 429' }),
  ...accessOptions,
  locations: locationsOption,
  redirects: redirectsOption,
  cors: corsOption.optional(),
  raw: lines.default('').meta({ description: 'additional directives of the `server` block' }),
})

export const options = z.strictObject({
  content: content.optional(),
  sites: z.array(siteOptions).default([]),
  release: z
    .enum(['latest', 'previous'])
    .default('latest')
    .meta({ description: '`previous` rolls back to the release before the newest deployment' }),
  keep: z.int().min(2).max(100).default(5).meta({ description: 'number of releases that are kept' }),
  port: port.default(8443).meta({ description: 'port at which the balancers reach the sites' }),
  balancers: z.string().default('load_balancers').meta({ description: 'group of the load balancers, which may connect' }),
  ipv6: z.boolean().default(true).meta({ description: 'listen on IPv6 too' }),
  gzip: z.boolean().default(true).meta({ description: 'compress text files of sites, but never responses of applications' }),
  brotli: z.boolean().default(false).meta({ description: 'also compress with brotli, for browsers that support it' }),
  share: z
    .strictObject({
      cpu_weight: z.int().min(1).max(10_000).default(100),
      io_weight: z.int().min(1).max(10_000).default(100),
      memory_percent: z
        .int()
        .min(5)
        .max(100)
        .default(80)
        .meta({ description: 'memory limit as a percentage of the host; systemd restarts units above the limit' }),
    })
    .prefault({})
    .meta({
      description: 'share of the host for nginx and the applications together; other services have the weight 100',
    }),
  monitors: z
    .string()
    .default('monitoring_servers')
    .meta({ description: 'group of the monitoring servers, which may connect to probe the sites' }),
  status_port: port.default(8406).meta({ description: 'port of nginx’s counters, on 127.0.0.1' }),
  raw: lines.default('').meta({ description: 'additional directives of the `http` block' }),
})

export type Options = z.output<typeof options>
export type SiteOptions = z.output<typeof siteOptions>

/** All sites. `content` at the top level is the short form of a site for all names. */
export const sitesOf = ({ content: alone, sites }: Options): readonly SiteOptions[] =>
  alone === undefined ? sites : [siteOptions.parse({ name: 'site', content: alone }), ...sites]

/** The longest response time that is configured. The load balancers must wait at least as long. */
export const longestResponse = (given: Options): { readonly responseSeconds?: number } => {
  const configured = sitesOf(given).flatMap(({ app: one, proxy, timeout_seconds }) =>
    (one ?? proxy) === undefined ? [] : (timeout_seconds ?? []),
  )
  return configured.length === 0 ? {} : { responseSeconds: Math.max(...configured) }
}
