import { type Access, accessOf, partAccessOptions, partPath, partsAbove, redirects, withoutStars, z } from 'provision'
import { zoneOf } from './config.ts'
import type { SiteOptions } from './options.ts'

/** `http://`, `https://` or the path of a socket. */
const backend = z
  .string()
  .regex(
    /^(https?:\/\/([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]+)?|unix:\/[A-Za-z0-9/._-]+)$/,
    'must be an address without a path, such as http://127.0.0.1:3000, https://10.0.0.5:8443 or unix:/run/app/socket',
  )

/** One address, or several of the same application. */
const backends = z
  .union([backend.transform((one) => [one]), z.array(backend).min(1)], {
    error:
      'must be an address without a path, such as http://127.0.0.1:3000, https://10.0.0.5:8443 or unix:/run/app/socket, or a list of such addresses',
  })
  .refine((all) => new Set(all).size === all.length, 'must not have the same address twice')
  .refine(
    (all) => new Set(all.map((one) => (isHttps(one) ? new URL(one).hostname : ''))).size === 1,
    'must be addresses of one kind: all with https and the same name, or none with https',
  )

export const proxyOption = backends.optional().meta({
  description: 'address of an application that runs elsewhere, or several: one that fails gets no requests for 10 seconds',
  examples: ['http://127.0.0.1:3000', ['http://10.0.0.20:8080', 'http://10.0.0.21:8080']],
})

const location = z.strictObject({
  proxy: backends
    .optional()
    .meta({ description: 'another application for this path, or several addresses of it', examples: ['http://127.0.0.1:4000'] }),
  strip: z.boolean().default(false).meta({ description: 'that application gets the path without this beginning' }),
  ...partAccessOptions,
})

export const locationsOption = z
  .record(partPath, location)
  .default({})
  .meta({
    description: 'parts of the site by path, which also means everything below it',
    examples: [{ '/api': { proxy: 'http://127.0.0.1:4000' } }],
  })

export const redirectsOption = redirects.default({})

export const corsOption = z
  .strictObject({
    origins: z
      .array(z.string().regex(/^https?:\/\/[a-z0-9.-]+(:[0-9]+)?$/, 'must be an origin such as https://app.example.org'))
      .min(1)
      .meta({ description: 'origins whose pages may read responses' }),
    methods: z.array(z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'])).default(['GET', 'HEAD', 'POST']),
    headers: z.array(z.string().regex(/^[A-Za-z0-9-]+$/, 'must be a header name')).default(['Content-Type']),
    credentials: z.boolean().default(false).meta({ description: 'whether requests may have cookies' }),
  })
  .meta({ description: 'pages of other origins that may read responses (CORS)' })

const fileOf = (path: string): string => path.replaceAll('_', '__').replaceAll('/', '_')

/** The file with the users of the site, or of a part. */
export const usersFile = (site: string, of: string): string => `/etc/nginx/provision/${site}${fileOf(of)}.users`

/** Directives for the access of the site itself. */
export const siteAccess = (site: SiteOptions): readonly string[] => accessLines(site, accessOf(site, ''))

/** Directives for the access of a part; they replace those of the site. */
const partAccess = (site: SiteOptions, path: string): readonly string[] => {
  const access = accessOf(site, path)
  return [
    ...(access.allow === undefined && site.allow !== undefined ? ['allow all;'] : []),
    ...(access.usersOf === undefined && site.users !== undefined ? ['auth_basic off;'] : []),
    ...accessLines(site, access),
  ]
}

const accessLines = ({ name }: SiteOptions, { usersOf, allow: from }: Access): readonly string[] => [
  ...(from === undefined ? [] : [...from.map((one) => `allow ${one};`), 'deny all;']),
  ...(usersOf === undefined ? [] : [`auth_basic ${name};`, `auth_basic_user_file ${usersFile(name, usersOf)};`]),
]

/**
 * An `upstream` block. All worker processes know which of several servers failed. Servers of applications close idle connections after two
 * seconds or more: a request over a connection that is being closed would fail.
 */
export const upstreamBlock = (name: string, proxies: readonly string[]): string =>
  `upstream ${name} {\n${proxies.length > 1 ? `  zone ${zoneOf(name)}_servers 64k;\n` : ''}${proxies
    .map((proxy) => `  server ${serverOf(proxy)};\n`)
    .join('')}  keepalive 32;\n  keepalive_timeout 1s;\n}\n`

/** Scheme of these addresses, and directives that pass a request to another one if the first does not answer. */
export const passingTo = (proxies: readonly string[]): { readonly scheme: 'http' | 'https'; readonly lines: readonly string[] } => {
  const [first = ''] = proxies
  return {
    scheme: isHttps(first) ? 'https' : 'http',
    lines: [
      ...(proxies.length > 1 ? ['proxy_next_upstream error;'] : ['proxy_next_upstream off;']),
      ...(isHttps(first) ? verifiedLines(first) : []),
    ],
  }
}

/** Name of the upstream of a part. */
const upstreamOf = ({ name }: SiteOptions, path: string): string => `${name}${fileOf(path)}`

/** The `upstream` blocks of the parts that have their own application. */
export const partUpstreams = (site: SiteOptions): string =>
  Object.entries(site.locations)
    .flatMap(([path, { proxy }]) => (proxy === undefined ? [] : [upstreamBlock(upstreamOf(site, path), proxy)]))
    .join('')

// An upstream has no default port of its scheme.
const serverOf = (proxy: string): string => {
  if (proxy.startsWith('unix:')) return proxy
  const address = proxy.replace(/^https?:\/\//, '')
  return isHttps(proxy) && !/:[0-9]+$/.test(address.replace(/^\[.*\]/, '')) ? `${address}:443` : address
}

const TRUSTED_BY_HOST = '/etc/ssl/certs/ca-certificates.crt'

/** How a site serves its own content, and how it passes requests to applications. */
export interface Serving {
  /** Directives for the site's own files or application. */
  readonly own: readonly string[]
  /** Directives that pass requests to the path of an upstream with these addresses. */
  pass(upstream: string, proxies: readonly string[]): readonly string[]
}

/** The part whose application gets the requests of a part: itself, or the longest one above. */
const passedOf = ({ locations }: SiteOptions, path: string) =>
  partsAbove(locations, path)
    .flatMap((from) => {
      const { proxy, strip } = locations[from] ?? {}
      return proxy === undefined ? [] : [{ from, proxy, strip: strip === true }]
    })
    .at(-1)

/** The `location` blocks of parts and redirections. A regular expression in `raw` does not come before them. */
export const partBlocks = (site: SiteOptions, { own, pass }: Serving): string =>
  [
    ...Object.keys(site.locations).flatMap((path) => {
      const access = partAccess(site, path)
      const { from, proxy, strip } = passedOf(site, path) ?? {}
      if (from === undefined || proxy === undefined) return blocks(path, [...access, ...own])
      const [name, rest] = [upstreamOf(site, from), path.slice(from.length)]
      const passed = (at: string): readonly string[] => [...access, ...pass(`${name}${strip ? at : ''}`, proxy)]
      return [block(`= ${path}`, passed(rest || '/')), block(`^~ ${path}/`, passed(`${rest}/`))]
    }),
    ...Object.entries(site.redirects).flatMap(([from, { to, status }]) => redirectBlocks(from, to, status)),
  ].join('')

/** Whether the certificate of an application is verified, by an authority of the host. */
export const isHttps = (proxy: string): boolean => proxy.startsWith('https:')

const verifiedLines = (proxy: string): readonly string[] => [
  'proxy_ssl_verify on;',
  'proxy_ssl_verify_depth 5;',
  'proxy_ssl_server_name on;',
  `proxy_ssl_name ${new URL(proxy).hostname};`,
  `proxy_ssl_trusted_certificate ${TRUSTED_BY_HOST};`,
]

const block = (match: string, lines: readonly string[]): string =>
  `  location ${match} {\n${lines.map((line) => `    ${line}\n`).join('')}  }\n`

/** The blocks of a path and of everything below it. */
const blocks = (path: string, lines: readonly string[]): readonly string[] => [block(`= ${path}`, lines), block(`^~ ${path}/`, lines)]

// The rest is taken from the request as it was sent: decoded, it could end the header, and a numbered capture would be encoded again. It does
// not begin with a slash or backslash, which would make the target an address of another host.
const redirectBlocks = (from: string, to: string, status: number): readonly string[] => {
  const path = withoutStars(from)
  const fixed = `return ${status} ${withoutStars(to) || '/'}$is_args$args;`
  if (path === from) return [block(`= ${path}`, [fixed])]
  if (withoutStars(to) === to) return blocks(path, [fixed])
  const rest = [
    'set $rest "";',
    `if ($request_uri ~ "^${path.replaceAll('.', '[.]')}/+(?<tail>[^?/\\x5C][^?]*)") {\n      set $rest $tail;\n    }`,
    `return ${status} ${withoutStars(to)}/$rest$is_args$args;`,
  ]
  return [block(`= ${path}`, [fixed]), block(`^~ ${path}/`, rest)]
}

/** Maps and directives of CORS: what the `http` block and the `server` block have. */
export const corsOf = ({ name, cors }: SiteOptions): { readonly maps: string; readonly lines: readonly string[] } => {
  if (cors === undefined) return { maps: '', lines: [] }
  const zone = zoneOf(name)
  const map = (variable: string, source: string, keys: readonly string[], answer: (key: string) => string): string =>
    `map ${source} $cors_${variable}_of_${zone} {\n  default "";\n${keys.map((key) => `  "${key}" "${answer(key)}";\n`).join('')}}\n`
  const asking = cors.origins.map((origin) => `OPTIONS ${origin}`)
  const preflight = '"$request_method $http_origin"'
  return {
    maps: [
      map('origin', '$http_origin', cors.origins, (origin) => origin),
      map('methods', preflight, asking, () => cors.methods.join(', ')),
      map('headers', preflight, asking, () => cors.headers.join(', ')),
      ...(cors.credentials ? [map('credentials', '$http_origin', cors.origins, () => 'true')] : []),
    ].join(''),
    lines: [
      'add_header Vary Origin always;',
      `add_header Access-Control-Allow-Origin $cors_origin_of_${zone} always;`,
      `add_header Access-Control-Allow-Methods $cors_methods_of_${zone} always;`,
      `add_header Access-Control-Allow-Headers $cors_headers_of_${zone} always;`,
      ...(cors.credentials ? [`add_header Access-Control-Allow-Credentials $cors_credentials_of_${zone} always;`] : []),
      `if ($cors_methods_of_${zone} != "") {\n    return 204;\n  }`,
    ],
  }
}
