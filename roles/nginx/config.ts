import type { Options } from './options.ts'

/** Settings of all sites. */
export interface Common extends Pick<Options, 'gzip' | 'brotli' | 'status_port' | 'raw' | 'port' | 'ipv6'> {
  readonly includes: readonly string[]
  /** Addresses of the balancers, whose X-Forwarded-For is trusted. */
  readonly addresses: readonly string[]
  /** Other addresses that may send requests. */
  readonly monitors: readonly string[]
  /** Names in the client certificates that are admitted. */
  readonly names: readonly string[]
  readonly tls: { readonly certificate: string; readonly trusted: string }
  /** Whether some site serves all names. */
  readonly hasDefault: boolean
}

/** The name of a site in variables and zones of nginx. */
export const zoneOf = (site: string): string => site.replaceAll('-', '_')

/** `listen` directives of a site. */
export const listenLines = ({ port, ipv6 }: Pick<Common, 'port' | 'ipv6'>, more = ''): string =>
  [`${port}`, ...(ipv6 ? [`[::]:${port}`] : [])].map((address) => `  listen ${address} ssl${more};\n`).join('')

/** Text types, which compress well. */
const TEXTS =
  'text/plain text/css text/xml text/javascript application/javascript application/json application/manifest+json application/xml application/rss+xml application/wasm image/svg+xml font/ttf'

/** Content of nginx.conf. It includes files by name only, so that files of packages and of former sites have no effect. */
export const rootConfig = (common: Common): string => `# Written by provision.
user www-data;
worker_processes auto;
worker_rlimit_nofile 16384;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;
${common.brotli ? 'load_module modules/ngx_http_brotli_filter_module.so;\n' : ''}
events {
  worker_connections 4096;
}

http {
  include /etc/nginx/mime.types;
  default_type application/octet-stream;

  server_tokens off;
  sendfile on;
  tcp_nopush on;
  server_names_hash_bucket_size 512;
  client_header_timeout 10s;
  # The balancers limit how long visitors may pause, and how long applications may take.
  client_body_timeout 1d;
  send_timeout 1d;
  proxy_read_timeout 1d;
  proxy_send_timeout 1d;
  # Each part of a response is passed on as it comes, such as events of a stream.
  proxy_buffering off;
  keepalive_timeout 75s;
  keepalive_requests 100000;

  # Sites of files enable compression. It stays off for applications: a response with a secret and input of the visitor would reveal the
  # secret by its compressed length (BREACH).
  gzip_types ${TEXTS};
  gzip_proxied any;
  gzip_vary on;
  gzip_min_length 1024;
${common.brotli ? `  brotli_types ${TEXTS};\n  brotli_min_length 1024;\n` : ''}
  log_format timed '$remote_addr $host "$request" $status $body_bytes_sent $request_time $upstream_response_time "$http_referer" "$http_user_agent"';
  access_log /var/log/nginx/access.log timed;

  ssl_certificate ${common.tls.certificate};
  ssl_certificate_key ${common.tls.certificate}.key;
  ssl_client_certificate ${common.tls.trusted};
  ssl_verify_client on;
  ssl_verify_depth 2;
  ssl_protocols TLSv1.3;
  ssl_session_cache shared:tls:10m;
  ssl_session_tickets off;

  # The address of the peer. $remote_addr is the address of the visitor.
  geo $realip_remote_addr $from_balancer {
    default 0;
    127.0.0.0/8 1;
    ::1 1;
${[...common.addresses, ...common.monitors].map((address) => `    ${address} 1;\n`).join('')}  }
  map $ssl_client_s_dn $is_balancer {
    default 0;
${common.names.map((name) => `    "CN=${name}" $from_balancer;\n`).join('')}  }
${common.addresses.map((address) => `  set_real_ip_from ${address};\n`).join('')}  real_ip_header X-Forwarded-For;

  map $http_upgrade $connection_upgrade {
    default upgrade;
    "" "";
  }

${common.hasDefault ? '' : defaultServer(common)}${status(common.status_port)}${common.raw === '' ? '' : `${common.raw.trimEnd()}\n`}${common.includes.map((path) => `  include ${path};\n`).join('')}}
`

/** Directives that close connections without a balancer's certificate from a balancer's address. */
export const guard = `  if ($is_balancer = 0) {
    return 444;
  }
  error_page 495 496 497 = @nothing;
  location @nothing {
    return 444;
  }
  # Rewrites and returns below do not apply to health checks.
  if ($uri = /healthz) {
    break;
  }
`

/** Default server for names that no site has. Without it, nginx would serve the first site. */
const defaultServer = (common: Common): string => `  server {
${listenLines(common, ' default_server').replaceAll('  listen', '    listen')}    server_name _;
${guard.replaceAll(/^/gm, '  ').trimEnd()}
    location = /healthz { access_log off; default_type text/plain; return 200 "ok\\n"; }
    location / { return 404; }
  }
`

const status = (port: number): string => `  server {
    listen 127.0.0.1:${port};
    access_log off;
    location = /status { stub_status; }
    location / { return 404; }
  }
`
