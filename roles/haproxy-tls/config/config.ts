import { type Later, type Text, text } from 'provision'
import type { Options } from '../options.ts'
import { SOCKET } from '../share.ts'
import { behindLine, sharesHttps, type TcpBackend, tcpSections } from '../tcp/config.ts'
import { alivePath } from '../virtual-address/virtual-address.ts'
import { type Backend, backendLines, backendName, type Edge, onceLines, onceName } from './backends.ts'
import { binds } from './binds.ts'
import { choiceLines, maintenanceSections, pathLines, redirectingLines } from './choice.ts'
import { headerLines } from './headers.ts'
import { lines, section } from './lines.ts'
import { onceBackend, onceFrontend, TO_ONCE } from './once.ts'
import { acceptLines, sourceLines } from './proxies.ts'
import { QUIC_GLOBAL, quicLines } from './quic.ts'
import { timeoutLines } from './timeouts.ts'
import { TLS, TO_SERVERS } from './tls.ts'
import { FROM_VISITORS, limitLines } from './visitors.ts'

export interface Balancer {
  readonly options: Options
  /** Thumbprint of the ACME account; undefined if no certificate is ordered. */
  readonly thumbprint: Later | undefined
  /** Paths of the files that list the chains. If several have a name, the first one serves it. */
  readonly certificates: readonly string[]
  /** Without `sites`, the first backend serves all names. */
  readonly backends: readonly Backend[]
  readonly tcp: readonly TcpBackend[]
  /** Sections with the users of sites. */
  readonly users: Text
  readonly edge: Edge
  /** Error pages by status. */
  readonly pages: readonly { readonly status: string; readonly path: string }[]
}

/** List of chains for HAProxy. The first one serves clients without SNI. HAProxy reads each private key from PATH.key. */
export const certificateList = (paths: readonly string[]): string => paths.map((path) => `${path}\n`).join('')

const challenges = (thumbprint: Later | undefined): Text =>
  thumbprint === undefined
    ? text``
    : text`    # Stateless HTTP-01: the response to every challenge is its token and the thumbprint of the account.
    http-request return status 200 content-type text/plain lf-string "%[path,field(-1,/)].${thumbprint}" if { path_reg ^/\\.well-known/acme-challenge/[-_A-Za-z0-9]+$ }
`

/** Content of haproxy.cfg. */
export const haproxyConfig = ({ options, thumbprint, certificates, backends, tcp, users, edge, pages }: Balancer): Text => {
  const { timeouts, extra, rate_limit: limit } = options
  const alive = alivePath(options)
  const chains = ` ssl ${certificates.map((path) => `crt-list ${path}`).join(' ')}`
  const ssl = `${chains} alpn h2,http/1.1`
  const top = [
    section('global', [
      'log /dev/log local0',
      'chroot /var/lib/haproxy',
      'user haproxy',
      'group haproxy',
      `stats socket ${SOCKET} mode 600 level admin`,
      'stats timeout 30s',
      'hard-stop-after 5m',
      ...(options.http3 ? [QUIC_GLOBAL] : []),
      ...TLS[options.tls],
      ...TO_SERVERS,
      ...extra.global,
    ]),
    section('defaults', [
      'log global',
      'mode http',
      'option httplog',
      'option dontlognull',
      // At a reload, a connection is closed with a response instead of right before a request.
      'option idle-close-on-response',
      'option redispatch 1',
      'retries 3',
      // Keep-alive packets detect a host that lost power while a request waits for its response.
      ...['option srvtcpka', 'srvtcpka-idle 2s', 'srvtcpka-intvl 1s', 'srvtcpka-cnt 3'],
      ...timeoutLines(timeouts),
      ...(options.compression ? COMPRESSION : []),
      ...pagesLines(pages),
      ...extra.defaults,
    ]),
  ].join('\n')
  const answer = text`
frontend http
${bindLines(80, '', options.ipv6)}${lines(acceptLines(options.trusted_proxies))}${alive === undefined ? '' : `    monitor-uri ${alive}\n`}${challenges(thumbprint)}    http-request return status 404 if { path_beg /.well-known/acme-challenge/ }
${lines(extra.http)}    http-request redirect scheme https code 301
`
  const rest = [
    section('frontend https', [
      ...(sharesHttps(options) ? [behindLine(ssl)] : [...binds(443, ssl, options.ipv6), ...acceptLines(options.trusted_proxies)]),
      ...(options.http3 ? quicLines(chains, options.ipv6) : []),
      ...sourceLines(options.trusted_proxies),
      ...(limit === false ? [] : limitLines(limit)),
      ...FROM_VISITORS,
      ...headerLines(options),
      ...extra.https,
      ...redirectingLines(options),
      ...pathLines(backends),
      ...(options.retry_posts ? [] : TO_ONCE),
      ...choiceLines(backends, options, backendName),
    ]),
    ...(options.retry_posts
      ? []
      : [
          section('backend to-once', onceBackend(timeouts)),
          section('frontend once', [...onceFrontend(timeouts), ...pathLines(backends), ...choiceLines(backends, options, onceName)]),
        ]),
    ...(limit === false
      ? []
      : [
          section('backend visitors', [
            `stick-table type ipv6 size 100k expire ${limit.seconds * 6}s store http_req_rate(${limit.seconds}s)`,
          ]),
        ]),
    ...backends.flatMap((backend) => [
      section(`backend ${backendName(backend)}`, [...backendLines(backend, edge), ...extra.backend]),
      ...(options.retry_posts ? [] : [section(`backend ${onceName(backend)}`, [...onceLines(backend, edge), ...extra.backend])]),
    ]),
    ...maintenanceSections(backends, pages),
    ...(options.sites.length > 0
      ? [
          section('backend nobody', [
            'http-request return status 421 content-type text/plain string "No site with this name is served here."',
          ]),
        ]
      : []),
    section('frontend status', [
      `bind 127.0.0.1:${options.status_port}`,
      'option dontlog-normal',
      'http-request use-service prometheus-exporter if { path /metrics }',
      'stats enable',
      'stats uri /',
    ]),
    ...tcpSections(tcp, options),
  ].join('\n')
  return text`# Written by provision.
${top}${answer}
${rest}${users}`
}

const bindLines = (port: number, rest: string, ipv6: boolean): string => lines(binds(port, rest, ipv6))

const COMPRESSION = [
  'compression algo gzip',
  'compression type text/html text/plain text/css text/xml application/javascript text/javascript application/json image/svg+xml',
]

const pagesLines = (pages: Balancer['pages']): readonly string[] =>
  pages.map(({ status, path }) => `http-error status ${status} content-type "text/html; charset=utf-8" hdr Retry-After 30 file ${path}`)
