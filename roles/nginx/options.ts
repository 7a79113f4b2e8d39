import { secret, z } from 'provision'

const port = z.int().min(1).max(65535)
const lines = z.string().regex(/^[^\0]*$/)
const size = z.string().regex(/^[0-9]+[kmg]?$/, 'must be a size such as 512k or 10m')
// What ends a directive of nginx, or opens a block, is no part of a path.
const path = z.string().regex(/^\/[^\s;{}"'\\#\p{Cc}]*$/u, 'must be a path without spaces, quotes and semicolons')
const hostName = z
  .string()
  .toLowerCase()
  .max(253)
  .regex(/^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9-]{1,63}$/, 'must be a host name such as www.example.org or *.example.org')
const header = z.string().regex(/^[^\p{Cc}"\\$]*$/u, 'must be one line without quotes, backslashes and dollar signs')

const content = z
  .string()
  .min(1)
  .meta({ description: 'directory or archive (.tar, .tar.gz) of the project that is served', examples: ['playbooks/site'] })

const cache = z.union([z.enum(['forever', 'never']), z.int().min(0)])

const app = z.strictObject({
  command: z
    .string()
    .regex(/^\/[^\p{Cc}]+$/u, 'must be one line that begins with the absolute path of a program')
    .meta({ description: 'program and arguments, as in ExecStart of a systemd unit', examples: ['/usr/bin/node server.js'] }),
  port: port.meta({ description: 'where it listens on 127.0.0.1; it is told so in PORT' }),
  directory: path.optional().meta({ description: 'its working directory on the host' }),
  user: z
    .string()
    .regex(/^[a-z_][a-z0-9_-]{0,31}$/)
    .optional()
    .meta({ description: 'an account that is there; left out: one that systemd makes for it alone' }),
  environment: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be the name of a variable'), secret()).default({}),
  memory: size.optional().meta({ description: 'it is ended and started anew when it takes more' }),
  writes: z.array(path).default([]).meta({ description: 'directories that it may write to, beside its own /var/lib/provision-app-NAME' }),
})

/** What is served under some names. */
export const siteOptions = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,30}$/, 'must be a short word such as shop')
    .meta({ description: 'names its files on the host' }),
  hosts: z.array(hostName).default([]).meta({ description: 'names of the site; none: whatever no other site is called' }),
  content: content.optional(),
  proxy: z
    .string()
    .regex(/^http:\/\/([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]+)?$/, 'must be an address such as http://127.0.0.1:3000, without a path')
    .optional()
    .meta({ description: 'an application that runs already' }),
  app: app.optional().meta({ description: 'an application that is run here' }),
  index: z
    .string()
    .regex(/^[\w.~-]+$/, 'must be the name of a file')
    .default('index.html'),
  fallback: path
    .optional()
    .meta({ description: 'what answers for paths that are no files, as a single-page application wants it', examples: ['/index.html'] }),
  errors: z
    .record(z.string().regex(/^[45][0-9][0-9]$/, 'must be a status such as 404'), path)
    .default({})
    .meta({ description: 'pages for errors, by status' }),
  cache: z
    .record(z.string().regex(/^[\w./*-]+$/, 'must be a pattern such as *.css or /assets/**'), cache)
    .default({})
    .meta({ description: 'how long browsers keep what matches: seconds, forever or never' }),
  headers: z.record(z.string().regex(/^[A-Za-z0-9-]+$/, 'must be the name of a header'), header).default({}),
  health: path.optional().meta({ description: 'path of the application that /healthz asks; left out: nginx answers itself' }),
  body_max: size.default('1m').meta({ description: 'largest request body' }),
  timeout_seconds: z.int().min(1).max(3600).default(30).meta({ description: 'how long the application may take' }),
  requests_per_second: z.int().min(1).optional().meta({ description: 'of one visitor; more are refused with 429' }),
  connections: z.int().min(1).optional().meta({ description: 'of one visitor at a time' }),
  raw: lines.default('').meta({ description: 'directives for its server block' }),
})

export const options = z.strictObject({
  content: content.optional(),
  sites: z.array(siteOptions).default([]),
  release: z.enum(['latest', 'previous']).default('latest').meta({ description: '`previous` goes back to what was live before' }),
  keep: z.int().min(2).max(100).default(5).meta({ description: 'how many releases are kept' }),
  port: port.default(8443).meta({ description: 'where the balancers find the sites' }),
  balancers: z.string().default('load_balancers').meta({ description: 'group of the hosts that may ask' }),
  ipv6: z.boolean().default(true).meta({ description: 'listen on IPv6 too' }),
  gzip: z.boolean().default(true).meta({ description: 'compress texts of directories (never what an application answers)' }),
  brotli: z.boolean().default(false).meta({ description: 'the same with brotli, for browsers that take it' }),
  status_port: port.optional().meta({ description: 'where stub_status is read, on 127.0.0.1' }),
  raw: lines.default('').meta({ description: 'directives for the http block' }),
})

export type Options = z.output<typeof options>
export type SiteOptions = z.output<typeof siteOptions>
export type AppOptions = z.output<typeof app>

/** All sites; `content` alone is the short form of one that answers to every name. */
export const sitesOf = ({ content: alone, sites }: Options): readonly SiteOptions[] =>
  alone === undefined ? sites : [siteOptions.parse({ name: 'site', content: alone }), ...sites]

interface Fault {
  readonly path: readonly PropertyKey[]
  readonly what: string
  readonly fix: string
}

/** What no single option can say of itself. */
export const faultsOf = (given: Options): readonly Fault[] => {
  const sites = sitesOf(given)
  const at = (site: SiteOptions, ...more: readonly PropertyKey[]): readonly PropertyKey[] =>
    given.sites.includes(site) ? ['sites', given.sites.indexOf(site), ...more] : ['content']
  const isSecond = (site: SiteOptions, key: (of: SiteOptions) => unknown): boolean =>
    sites.slice(0, sites.indexOf(site)).some((other) => key(other) === key(site))
  const names = sites.flatMap((site) => site.hosts.map((name) => ({ site, name })))
  return [
    ...(sites.length > 0 ? [] : [{ path: [], what: 'there is nothing to serve', fix: 'give `content`, or a list of `sites`' }]),
    ...sites.flatMap((site) => [
      ...([site.content, site.proxy, site.app].filter((one) => one !== undefined).length === 1
        ? []
        : [{ path: at(site), what: `the site ${site.name} needs one of content, proxy and app`, fix: 'give it one of them' }]),
      ...(isSecond(site, ({ name }) => name)
        ? [{ path: at(site, 'name'), what: `a second site is called ${site.name}`, fix: 'give it another name' }]
        : []),
      ...(site.hosts.length === 0 && sites.find(({ hosts }) => hosts.length === 0) !== site
        ? [{ path: at(site), what: `a second site answers to every name`, fix: 'write the names of the site as `hosts`' }]
        : []),
      ...(site.app !== undefined && isSecond(site, ({ app: one }) => one?.port)
        ? [{ path: at(site, 'app', 'port'), what: `a second application has port ${site.app.port}`, fix: 'give it another port' }]
        : []),
    ]),
    ...names
      .filter(({ name }, i) => names.findIndex((other) => other.name === name) !== i)
      .map(({ site, name }) => ({
        path: at(site, 'hosts'),
        what: `a second site is for ${name}`,
        fix: 'let each name stand with one site',
      })),
  ]
}
