import { redirect, secret, z } from 'provision'
import { accessOptions, corsOption, locationsOption, redirectsOption } from './locations.ts'

const port = z.int().min(1).max(65535)
const lines = z.string().regex(/^[^\0]*$/)
const size = z.string().regex(/^[0-9]+[kmg]?$/, 'must be a size such as 512k or 10m')
// Characters without a special meaning to nginx and systemd.
const path = z
  .string()
  .regex(/^\/[A-Za-z0-9/._~%@:+,=&?*!()-]*$/, 'must be a path without spaces, quotes, braces, semicolons and dollar signs')
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

const app = z.strictObject({
  command: z
    .string()
    .regex(/^\/[^\p{Cc}]*[^\p{Cc}\\]$/u, 'must be one line that begins with the absolute path of a program, without a backslash at its end')
    .meta({ description: 'program and arguments, as in ExecStart of a systemd unit', examples: ['/usr/bin/node server.js'] }),
  port: port.meta({ description: 'port on 127.0.0.1 at which the application listens; passed to it as PORT' }),
  directory: path.optional().meta({ description: 'working directory on the host' }),
  user: z
    .string()
    .regex(/^[a-z_][a-z0-9_-]{0,31}$/)
    .optional()
    .meta({ description: 'existing account; default: a dynamic account of the unit' }),
  environment: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be a variable name'), secret())
    .default({})
    .meta({ description: 'environment variables, stored in a file that only root can read' }),
  memory: size.optional().meta({ description: 'memory limit; systemd restarts the application above the limit' }),
  writes: z
    .array(path)
    .default([])
    .meta({ description: 'directories that the application may write to, in addition to /var/lib/provision-app-NAME' }),
})

/** Options of a site. */
export const siteOptions = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,30}$/, 'must be a short word such as shop')
    .meta({ description: 'name of the site, used for its files on the host' }),
  hosts: z.array(hostName).default([]).meta({ description: 'host names of the site; without any, the site serves all other names' }),
  content: content.optional(),
  proxy: z
    .string()
    .regex(/^http:\/\/([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]+)?$/, 'must be an address such as http://127.0.0.1:3000, without a path')
    .optional()
    .meta({ description: 'address of an application that runs elsewhere' }),
  redirect: redirect.optional(),
  app: app.optional().meta({ description: 'application that this role runs' }),
  index: z
    .string()
    .regex(/^[A-Za-z0-9._~-]+$/, 'must be a file name')
    .default('index.html')
    .meta({ description: 'file served for a directory' }),
  fallback: path
    .optional()
    .meta({ description: 'path served for paths without a file, for single-page applications', examples: ['/index.html'] }),
  errors: z
    .record(z.string().regex(/^[45][0-9][0-9]$/, 'must be a status such as 404'), path)
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
    .strictObject({ path: path.default('/'), status: z.int().min(200).max(499).default(200) })
    .optional()
    .meta({
      description:
        'request that shows visitors are served, and its status, for monitoring and `verify`; default: any page without an error',
      examples: [{ path: '/login', status: 200 }],
    }),
  health: path.optional().meta({ description: 'path of the application that `/healthz` requests; default: nginx answers itself' }),
  body_max: size.default('1m').meta({ description: 'largest request body' }),
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
export type AppOptions = z.output<typeof app>

/** All sites. `content` at the top level is the short form of a site for all names. */
export const sitesOf = ({ content: alone, sites }: Options): readonly SiteOptions[] =>
  alone === undefined ? sites : [siteOptions.parse({ name: 'site', content: alone }), ...sites]

/** The longest response time that is configured. The load balancers must wait at least as long. */
export const longestResponse = (given: Options): { readonly responseSeconds?: number } => {
  const configured = sitesOf(given).flatMap(({ content: files, timeout_seconds }) => (files === undefined ? (timeout_seconds ?? []) : []))
  return configured.length === 0 ? {} : { responseSeconds: Math.max(...configured) }
}

interface Fault {
  readonly path: readonly PropertyKey[]
  readonly what: string
  readonly fix: string
}

const partFaults = ({ name, redirect, locations, redirects, ...site }: SiteOptions): readonly Fault[] => {
  const parts = Object.keys(locations).map((path) => ['locations', path] as const)
  const all = [...parts, ...Object.keys(redirects).map((path) => ['redirects', path] as const)]
  const others = (['users', 'allow', 'cors'] as const).filter((key) => site[key] !== undefined)
  return [
    ...(redirect === undefined
      ? []
      : [...all, ...others.map((key) => [key] as const)].map((path) => ({
          path,
          what: `${path.join(' ')} has no effect, because site ${name} redirects every request`,
          fix: 'remove it, or `redirect`',
        }))),
    ...all
      .filter(([, path]) => /^\/healthz($|\/)/.test(path))
      .map((path) => ({ path, what: `${path[1]} is the path of health checks`, fix: 'choose another path' })),
    ...parts
      .filter(([, path]) => [path, `${path}/**`].some((from) => Object.hasOwn(redirects, from)))
      .map((path) => ({ path, what: `${path[1]} is a part of the site and redirected as well`, fix: 'remove one of them' })),
    ...parts
      .filter(([, path]) => locations[path]?.strip === true && locations[path].proxy === undefined)
      .map(([key, path]) => ({ path: [key, path, 'strip'], what: 'strip has no effect without proxy', fix: 'remove it' })),
  ]
}

/** Faults that concern several options. */
export const faultsOf = (given: Options): readonly Fault[] => {
  const sites = sitesOf(given)
  const at = (site: SiteOptions, ...more: readonly PropertyKey[]): readonly PropertyKey[] =>
    given.sites.includes(site) ? ['sites', given.sites.indexOf(site), ...more] : ['content']
  const isSecond = (site: SiteOptions, key: (of: SiteOptions) => unknown): boolean =>
    sites.slice(0, sites.indexOf(site)).some((other) => key(other) === key(site))
  const names = sites.flatMap((site) => site.hosts.map((name) => ({ site, name })))
  return [
    ...(sites.length > 0 ? [] : [{ path: [], what: 'no site is configured', fix: 'set `content` or `sites`' }]),
    ...sites.flatMap((site) => [
      ...([site.content, site.proxy, site.app, site.redirect].filter((one) => one !== undefined).length === 1
        ? []
        : [{ path: at(site), what: `site ${site.name} needs exactly one of content, proxy, app and redirect`, fix: 'set one of them' }]),
      ...(site.fallback === undefined || site.content !== undefined
        ? []
        : [{ path: at(site, 'fallback'), what: `fallback of site ${site.name} has no effect without content`, fix: 'remove it' }]),
      ...partFaults(site).map((fault) => ({ ...fault, path: at(site, ...fault.path) })),
      ...(isSecond(site, ({ name }) => name)
        ? [{ path: at(site, 'name'), what: `two sites have the name ${site.name}`, fix: 'rename one of them' }]
        : []),
      ...(site.hosts.length === 0 && sites.find(({ hosts }) => hosts.length === 0) !== site
        ? [{ path: at(site), what: 'two sites serve all names', fix: 'set `hosts` of one of them' }]
        : []),
      ...(site.app !== undefined && isSecond(site, ({ app: one }) => one?.port)
        ? [
            {
              path: at(site, 'app', 'port'),
              what: `two applications have port ${site.app.port}`,
              fix: 'choose another port for one of them',
            },
          ]
        : []),
    ]),
    ...names
      .filter(({ name }, i) => names.findIndex((other) => other.name === name) !== i)
      .map(({ site, name }) => ({
        path: at(site, 'hosts'),
        what: `${name} belongs to two sites`,
        fix: 'remove it from one of them',
      })),
  ]
}
