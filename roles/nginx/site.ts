import type { ReadyPhp } from 'provision'
import { type Common, guard, listenLines, zoneOf } from './config.ts'
import { corsOf, partBlocks, partUpstreams, siteAccess, upstreamBlock } from './locations.ts'
import type { SiteOptions } from './options.ts'
import { ADMITTED, indented, OWN_HEALTH, passing, UNLIMITED } from './passing.ts'
import { phpMaps, phpServer } from './php.ts'

/** Directory of a site's releases. */
export const rootOf = ({ name }: Pick<SiteOptions, 'name'>): string => `/var/www/provision/${name}`

/** A host name of a site, for the requests of checks. */
export const visitedName = ({ hosts }: Pick<SiteOptions, 'hosts'>): string => (hosts[0] ?? 'localhost').replace('*', 'any')

/** Settings of a host for its sites. `php` are those of the site's application, if PHP runs it. */
type HostSettings = Pick<Common, 'port' | 'ipv6' | 'gzip' | 'brotli'> & {
  readonly host: string
  readonly php?: ReadyPhp | undefined
}

/** Content of a site's file. nginx.conf defines which clients are admitted. */
export const siteConfig = (site: SiteOptions, settings: HostSettings): string => {
  const { name, hosts, requests_per_second, connections } = site
  const zone = zoneOf(name)
  const cors = corsOf(site)
  const { php } = settings
  const proxies = site.app === undefined || php !== undefined ? site.proxy : [`http://127.0.0.1:${site.app.port}`]
  return `# Written by provision.
${cacheMap(site)}${php === undefined ? '' : phpMaps(site, php)}${proxies === undefined ? '' : upstreamBlock(name, proxies)}${partUpstreams(site)}${cors.maps}${
  requests_per_second === undefined ? '' : `limit_req_zone $binary_remote_addr zone=${zone}_requests:10m rate=${requests_per_second}r/s;\n`
}${connections === undefined ? '' : `limit_conn_zone $binary_remote_addr zone=${zone}_connections:10m;\n`}
server {
${listenLines(settings, hosts.length === 0 ? ' default_server' : '')}  server_name ${hosts.length === 0 ? '_' : hosts.map(serverName).join(' ')};
  absolute_redirect off;
  client_max_body_size ${site.body_max};
${requests_per_second === undefined ? '' : `  limit_req zone=${zone}_requests burst=${2 * requests_per_second} nodelay;\n  limit_req_status 429;\n`}${
  connections === undefined ? '' : `  limit_conn ${zone}_connections ${connections};\n  limit_conn_status 429;\n`
}
  add_header X-Served-By ${settings.host} always;
${Object.entries(site.headers)
  .map(([key, value]) => `  add_header ${key} "${value}" always;\n`)
  .join('')}${hasCache(site) ? `  add_header Cache-Control $cache_of_${zone};\n` : ''}
${guard}${indented([...cors.lines, ...siteAccess(site)])}
${mainOf(site, proxies, settings)}${Object.entries(site.errors)
  .map(([status, page]) => `  error_page ${status} ${page};\n`)
  .join('')}${site.raw === '' ? '' : `\n${site.raw.trimEnd()}\n`}}
`
}

const mainOf = (site: SiteOptions, proxies: readonly string[] | undefined, settings: HostSettings): string => {
  if (site.redirect !== undefined) return redirection(site.redirect)
  if (settings.php !== undefined) return phpServer(site, settings.php, settings)
  return proxies === undefined ? files(site, settings) : application(site, proxies, settings)
}

/** A wildcard stands for one label, as in its certificate; for nginx alone it would stand for several. */
const serverName = (name: string): string => (name.startsWith('*.') ? `~^[^.]+${name.slice(1).replaceAll('.', '[.]')}$` : name)

const redirection = (to: string): string => `${OWN_HEALTH}
  location / {
    return 301 ${to}$request_uri;
  }
`

// The time of a file follows from its content (see the kind release), so that all servers send the same ETag. It is no date of a change,
// from which browsers could guess how long a page stays fresh.
const files = (site: SiteOptions, { gzip, brotli }: HostSettings): string => {
  const own = [`try_files $uri $uri/ ${site.fallback ?? '=404'};`]
  return `${OWN_HEALTH}
  add_header Last-Modified "";
  root ${rootOf(site)}/current;
  index ${site.index};
  gzip ${gzip ? 'on' : 'off'};
${brotli ? '  brotli on;\n' : ''}
  location / {
${indented(own, '    ')}  }
${partBlocks(site, { own, pass: passing })}`
}

/** Internal status, which leads to the location of WebSockets. */
const UPGRADE = 590

const application = (site: SiteOptions, proxies: readonly string[], settings: HostSettings): string => {
  const { name, health, timeout_seconds, errors } = site
  const limits = timeout_seconds === undefined ? [] : [`proxy_read_timeout ${timeout_seconds}s;`, `proxy_send_timeout ${timeout_seconds}s;`]
  const own = [
    ...(Object.keys(errors).length === 0 ? [] : ['proxy_intercept_errors on;']),
    ...(site.stream_uploads ? ['proxy_request_buffering off;'] : []),
  ]
  const pass = (upstream: string, to: readonly string[]): readonly string[] => [...passing(upstream, to), ...limits, ...own]
  // A WebSocket may be idle for longer than a response may take.
  const upgrade = limits.length === 0 ? '' : `    if ($http_upgrade ~* ^websocket$) {\n      return ${UPGRADE};\n    }\n`
  const tunnel =
    limits.length === 0
      ? ''
      : `  error_page ${UPGRADE} = @websocket;\n  location @websocket {\n${indented([...passing(name, proxies), ...own], '    ')}  }\n`
  const asked = `  location = /healthz {\n    access_log off;\n${UNLIMITED}${indented([...passing(`${name}${health}`, proxies), ...limits], '    ')}  }\n`
  const beside = site.content === undefined ? undefined : filesBeside(site, settings)
  const main = beside?.first ?? pass(name, proxies)
  return `${health === undefined ? OWN_HEALTH : asked}${tunnel}${
    beside === undefined ? '' : `${beside.server}  location @application {\n${indented([...ADMITTED, ...pass(name, proxies)], '    ')}  }\n`
  }
  location / {
${upgrade}${indented(main, '    ')}  }
${partBlocks(site, { own: main, pass })}`
}

/**
 * Files before an application. The application serves paths without a file, and directories without an index. Its responses keep their time of
 * modification, and are not compressed.
 */
const filesBeside = (
  site: SiteOptions,
  { gzip, brotli }: HostSettings,
): { readonly server: string; readonly first: readonly string[] } => ({
  server: '  add_header Last-Modified $upstream_http_last_modified;\n',
  first: [
    `root ${rootOf(site)}/current;`,
    `gzip ${gzip ? 'on' : 'off'};`,
    ...(brotli ? ['brotli on;'] : []),
    `try_files $uri \${uri}${site.index} @application;`,
  ],
})

const hasCache = ({ cache }: SiteOptions): boolean => Object.keys(cache).length > 0

const cacheMap = (site: SiteOptions): string => {
  if (!hasCache(site)) return ''
  const lines = Object.entries(site.cache).map(([pattern, time]) => `  "~${regexOf(pattern)}" "${cacheControl(time)}";\n`)
  return `map $uri $cache_of_${zoneOf(site.name)} {\n  default "";\n${lines.join('')}}\n`
}

const cacheControl = (time: SiteOptions['cache'][string]): string => {
  if (time === 'forever') return 'public, max-age=31536000, immutable'
  return time === 'never' ? 'no-store' : `public, max-age=${time}`
}

/** Regular expression of a pattern: `*.css` matches in every directory, `/assets/**` everything below; a single star stays in a directory. */
const regexOf = (pattern: string): string => {
  const inner = pattern
    .split('**')
    .map((part) => part.replaceAll('.', '[.]').replaceAll('*', '[^/]*'))
    .join('.*')
  return `${pattern.startsWith('/') ? '^' : '/'}${inner}$`
}
