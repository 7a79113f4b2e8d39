import { applicationSocket, type ReadyPhp } from 'provision'
import { type Common, zoneOf } from './config.ts'
import { partBlocks } from './locations.ts'
import type { SiteOptions } from './options.ts'
import { ADMITTED, indented, OWN_HEALTH, passing, UNLIMITED } from './passing.ts'

/** Names of files that are source code, and of hidden files. */
const SOURCE = '~*[.](php[0-9]?|phps|phtml|phar|inc)$'
const HIDDEN = '~/[.]'
/** Files of Composer, which a document root at the top of the source contains. */
const COMPOSER = '~^/(vendor/|composer[.](json|lock)$)'

/** A path that is a directory, so nginx takes another one. */
const NONE = '/'

/**
 * Maps of a site that PHP answers: the file that nginx serves for a path, and the script that PHP executes for it. Both change with the path
 * of an error page.
 */
export const phpMaps = ({ name }: SiteOptions, { isTop }: ReadyPhp): string => {
  const zone = zoneOf(name)
  const hidden = [HIDDEN, ...(isTop ? [COMPOSER] : [])]
  const map = (source: string, to: string, lines: readonly (readonly [string, string])[]): string =>
    `map ${source} $${to}_of_${zone} {\n  volatile;\n${lines.map(([from, value]) => `  ${from === 'default' ? from : `"${from}"`} "${value}";\n`).join('')}}\n`
  return [
    map('$uri', 'file', [['default', '$uri'], ...[...hidden, SOURCE].map((one) => [one, NONE] as const)]),
    map('$uri', 'script', [
      ['default', '/index.php'],
      ...hidden.map((one) => [one, '/index.php'] as const),
      ['~[.]php$', '$uri'],
      ['~/$', `\${uri}index.php`],
    ]),
    map('$http_x_forwarded_proto', 'https', [
      ['default', ''],
      ['https', 'on'],
    ]),
    map('$http_x_forwarded_proto', 'port', [
      ['default', '80'],
      ['https', '443'],
    ]),
  ].join('')
}

/**
 * Body of the `server` block of a site that PHP answers. nginx serves files of the document root, and PHP everything else. Only scripts in the
 * release are executed: no link is followed, so no directory for uploads is below the document root.
 */
export const phpServer = (site: SiteOptions, php: ReadyPhp, { gzip, brotli }: Pick<Common, 'gzip' | 'brotli'>): string => {
  const { name, health, errors, timeout_seconds } = site
  const zone = zoneOf(name)
  const root = [`root ${php.root};`, 'disable_symlinks on from=$document_root;']
  const own = [...root, `gzip ${gzip ? 'on' : 'off'};`, ...(brotli ? ['brotli on;'] : []), `try_files $file_of_${zone} @php;`]
  const errorLines = Object.keys(errors).length === 0 ? [] : ['fastcgi_intercept_errors on;']
  const scripts = [
    ...ADMITTED,
    ...root,
    `try_files $script_of_${zone} /index.php =404;`,
    ...fastcgi(site, { uri: '$request_uri', query: '$query_string' }),
    ...errorLines,
  ]
  const [path = '', query = ''] = (health ?? '').split('?', 2)
  const asked =
    health === undefined
      ? OWN_HEALTH
      : `  location = /healthz {\n    access_log off;\n${UNLIMITED}${indented(
          [
            ...root,
            `try_files ${path.endsWith('.php') ? `${path} ` : ''}/index.php =404;`,
            ...fastcgi(site, { uri: `"${health}"`, query: `"${query}"` }),
          ],
          '    ',
        )}  }\n`
  const limits = timeout_seconds === undefined ? [] : [`proxy_read_timeout ${timeout_seconds}s;`, `proxy_send_timeout ${timeout_seconds}s;`]
  const pass = (upstream: string, to: readonly string[]): readonly string[] => [...passing(upstream, to), ...limits]
  return `${asked}
  location / {
${indented(own, '    ')}  }
  location @php {
${indented(scripts, '    ')}  }
${partBlocks(site, { own, pass })}`
}

/** Directives that pass a request to PHP. A response is buffered, so that a slow visitor does not keep a worker of PHP busy. */
const fastcgi = (
  { name, timeout_seconds }: SiteOptions,
  { uri, query }: { readonly uri: string; readonly query: string },
): readonly string[] => {
  const zone = zoneOf(name)
  const given = {
    GATEWAY_INTERFACE: 'CGI/1.1',
    SERVER_SOFTWARE: 'nginx',
    REDIRECT_STATUS: '200',
    REQUEST_METHOD: '$request_method',
    REQUEST_URI: uri,
    REQUEST_SCHEME: '$http_x_forwarded_proto',
    QUERY_STRING: query,
    CONTENT_TYPE: '$content_type',
    CONTENT_LENGTH: '$content_length',
    SCRIPT_NAME: '$fastcgi_script_name',
    SCRIPT_FILENAME: '$realpath_root$fastcgi_script_name',
    DOCUMENT_ROOT: '$realpath_root',
    DOCUMENT_URI: '$document_uri',
    SERVER_PROTOCOL: '$server_protocol',
    SERVER_NAME: '$host',
    SERVER_ADDR: '$server_addr',
    SERVER_PORT: `$port_of_${zone}`,
    REMOTE_ADDR: '$remote_addr',
    REMOTE_PORT: '$remote_port',
    HTTP_HOST: '$host',
    HTTP_X_FORWARDED_FOR: '$remote_addr',
    // A header Proxy of a visitor would set the proxy of libraries (httpoxy).
    HTTP_PROXY: '""',
  }
  const seconds = timeout_seconds === undefined ? '1d' : `${timeout_seconds}s`
  return [
    `fastcgi_pass unix:${applicationSocket(name)};`,
    ...Object.entries(given).map(([key, value]) => `fastcgi_param ${key} ${value};`),
    `fastcgi_param HTTPS $https_of_${zone} if_not_empty;`,
    'fastcgi_buffer_size 16k;',
    'fastcgi_buffers 16 16k;',
    'fastcgi_next_upstream off;',
    'fastcgi_connect_timeout 3s;',
    `fastcgi_read_timeout ${seconds};`,
    `fastcgi_send_timeout ${seconds};`,
  ]
}
