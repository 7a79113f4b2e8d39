import { bracketed } from 'provision'
import type { Server } from '../config/backends.ts'
import { binds, insideBind, insideServer } from '../config/binds.ts'
import { inLines, section } from '../config/lines.ts'
import { acceptLines } from '../config/proxies.ts'
import { timeoutLine } from '../config/timeouts.ts'
import type { Options } from '../options.ts'
import { isWildcard, wildcardRegex } from '../sites/names.ts'
import { HTTPS, type TcpService } from './options.ts'

/** A service with its servers, and the addresses that may connect to it (undefined: all). */
export interface TcpBackend {
  readonly service: TcpService
  readonly servers: readonly Server[]
  readonly admitted: readonly string[] | undefined
}

/** Name of the section of a service. */
export const tcpName = ({ name }: Pick<TcpService, 'name'>): string => `tcp.${name}`

const SOCKET = 'https.sock'

/** Whether services share the port of the sites, which then get their connections through a socket. */
export const sharesHttps = ({ tcp }: Options): boolean => tcp.some(({ port }) => port === HTTPS)

/** `bind` line of the sites behind the services that share their port. */
export const behindLine = (ssl: string): string => insideBind(SOCKET, ssl)

/** Sections of all services, with their own defaults. */
export const tcpSections = (backends: readonly TcpBackend[], options: Options): readonly string[] => {
  if (backends.length === 0) return []
  const byPort = [...Map.groupBy(backends, ({ service }) => service.port)]
  const { connect, client, queue } = options.timeouts
  return [
    section('defaults', [
      'log global',
      'mode tcp',
      'option tcplog',
      'option dontlognull',
      'option redispatch 1',
      'retries 3',
      // Keep-alive packets detect the loss of a peer while a connection is idle.
      ...['option clitcpka', 'option srvtcpka', 'srvtcpka-idle 10s', 'srvtcpka-intvl 5s', 'srvtcpka-cnt 3'],
      timeoutLine('connect', connect),
      timeoutLine('client', client),
      timeoutLine('server', client),
      timeoutLine('queue', queue),
    ]),
    ...byPort.map(([port, all]) => frontend(port, all, options)),
    ...(sharesHttps(options) ? [section('backend to-https', [insideServer(SOCKET)])] : []),
    ...backends.map(backend),
  ]
}

/** Time in which a client must have begun its TLS handshake. */
const HELLO = '5s'

const frontend = (port: number, all: readonly TcpBackend[], options: Options): string => {
  const plain = all.find(({ service }) => service.sni === undefined)
  const named = all.filter(({ service }) => service.sni !== undefined)
  const admitted = all[0]?.admitted
  const idle = Math.max(...all.map(({ service }) => service.idle_seconds))
  const last = port === HTTPS ? 'to-https' : plain === undefined ? undefined : tcpName(plain.service)
  const choices = (isChosen: (name: string) => boolean, condition: (names: readonly string[]) => string) =>
    named.flatMap(({ service }) =>
      inLines((service.sni ?? []).filter(isChosen)).map(
        (some) => `use_backend ${tcpName(service)} if { req.ssl_sni -i ${condition(some)} }`,
      ),
    )
  return section(port === HTTPS ? 'frontend tls' : `frontend tcp-${port}`, [
    ...binds(port, '', options.ipv6),
    ...(port === HTTPS ? acceptLines(options.trusted_proxies) : []),
    timeoutLine('client', idle),
    ...(admitted === undefined
      ? []
      : [...inLines(admitted).map((some) => `acl admitted src ${some.join(' ')}`), 'tcp-request connection reject if !admitted']),
    ...(named.length === 0 ? [] : [`tcp-request inspect-delay ${HELLO}`, 'tcp-request content accept if { req.ssl_hello_type 1 }']),
    ...(named.length > 0 && last === undefined ? ['tcp-request content reject'] : []),
    ...choices(
      (name) => !isWildcard(name),
      (names) => `-m str ${names.join(' ')}`,
    ),
    ...choices(isWildcard, (names) => `-m reg ${names.map(wildcardRegex).join(' ')}`),
    ...(last === undefined ? [] : [`default_backend ${last}`]),
  ])
}

const backend = ({ service, servers }: TcpBackend): string => {
  const { balance, check, sni, proxy_protocol: proxied, max_connections: most, idle_seconds: idle } = service
  const name = sni?.find((one) => !isWildcard(one))
  const checking = check === 'connect' ? '' : ` check-ssl verify none${name === undefined ? '' : ` check-sni ${name}`}`
  return section(`backend ${tcpName(service)}`, [
    `balance ${balance}`,
    timeoutLine('server', idle),
    timeoutLine('tunnel', idle),
    `default-server check inter 2s fastinter 500ms downinter 1s fall 2 rise 2 maxconn ${most} on-marked-down shutdown-sessions`,
    ...servers.map(
      (one) =>
        `server ${one.name} ${bracketed(one.address)}:${one.port}${checking}${proxied ? ' send-proxy-v2 check-send-proxy' : ''} tcp-ut 10s`,
    ),
  ])
}
