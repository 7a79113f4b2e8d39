import { type Later, type Text, text } from 'provision'

export interface Balancer {
  readonly thumbprint: Later
  /** Chains as HAProxy loads them; it finds each private key beside its chain, as PATH.key. */
  readonly certificates: readonly string[]
  readonly tls: 'intermediate' | 'modern'
  readonly hsts: number
  readonly ipv6: boolean
  readonly health: { readonly path: string; readonly host: string }
  readonly servers: readonly { readonly name: string; readonly address: string; readonly port: number }[]
}

/** The whole of haproxy.cfg. */
export const haproxyConfig = ({ thumbprint, certificates, tls, hsts, ipv6, health, servers }: Balancer): Text => {
  const bind = (port: number, rest: string): string =>
    [`bind :${port}`, ...(ipv6 ? [`bind :::${port} v6only`] : [])].map((line) => `    ${line}${rest}\n`).join('')
  const ssl = ` ssl ${certificates.map((path) => `crt ${path}`).join(' ')} alpn h2,http/1.1`
  return text`# Written by provision.
global
    log /dev/log local0
    chroot /var/lib/haproxy
    user haproxy
    group haproxy
    stats socket /run/haproxy/admin.sock mode 660 level admin
    stats timeout 30s
    hard-stop-after 5m
${TLS[tls]}
defaults
    log global
    mode http
    option httplog
    option dontlognull
    option redispatch 1
    retries 3
    retry-on conn-failure empty-response response-timeout
    timeout connect 3s
    timeout client 30s
    timeout server 30s
    timeout http-request 10s
    timeout http-keep-alive 10s
    timeout queue 10s
    timeout tunnel 1h

frontend http
${bind(80, '')}    # Stateless HTTP-01: the token and the thumbprint of our account are the answer to every order.
    http-request return status 200 content-type text/plain lf-string "%[path,field(-1,/)].${thumbprint}" if { path_reg ^/\\.well-known/acme-challenge/[-_A-Za-z0-9]+$ }
    http-request return status 404 if { path_beg /.well-known/acme-challenge/ }
    http-request redirect scheme https code 301

frontend https
${bind(443, ssl)}    http-request set-header X-Forwarded-For %[src]
    http-request set-header X-Forwarded-Proto https
    # A request that may have been carried out must not be sent to a second server.
    http-request disable-l7-retry unless METH_GET
    http-response set-header Strict-Transport-Security "max-age=${hsts}"
    http-response set-header X-Content-Type-Options nosniff
    http-response set-header X-Frame-Options SAMEORIGIN
    http-response set-header Referrer-Policy strict-origin-when-cross-origin
    http-response del-header Server
    default_backend web

backend web
    balance roundrobin
    option httpchk
    http-check send meth GET uri ${health.path} ver HTTP/1.1 hdr Host ${health.host}
    http-check expect status 200
    default-server check inter 2s fastinter 500ms downinter 1s fall 2 rise 2 on-marked-down shutdown-sessions
${servers.map(({ name, address, port }) => `    server ${name} ${address.includes(':') ? `[${address}]` : address}:${port}\n`).join('')}`
}

// Mozilla's profiles, version 5.7; intermediate without the DHE ciphers, which nothing needs that speaks TLS 1.2 with GCM.
const TLS = {
  intermediate: `    ssl-default-bind-ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305
    ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256
    ssl-default-bind-curves X25519:P-256:P-384
    ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets
`,
  modern: `    ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256
    ssl-default-bind-curves X25519:P-256:P-384
    ssl-default-bind-options ssl-min-ver TLSv1.3 no-tls-tickets
`,
} as const
