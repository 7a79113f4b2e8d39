import type { Options } from './options.ts'

/** What is common to all sites. */
export interface Common extends Pick<Options, 'gzip' | 'brotli' | 'status_port' | 'raw' | 'port' | 'ipv6'> {
  readonly includes: readonly string[]
  /** Addresses of the balancers, whose word on who the visitor is counts. */
  readonly addresses: readonly string[]
  /** Other addresses from which a request may come. */
  readonly monitors: readonly string[]
  /** Names in the client certificates that are let in. */
  readonly names: readonly string[]
  readonly tls: { readonly certificate: string; readonly trusted: string }
  /** Whether some site answers to every name. */
  readonly hasDefault: boolean
}

/** Where the sites listen. */
export const listenLines = ({ port, ipv6 }: Pick<Common, 'port' | 'ipv6'>, more = ''): string =>
  [`${port}`, ...(ipv6 ? [`[::]:${port}`] : [])].map((address) => `  listen ${address} ssl${more};\n`).join('')

/** Browsers compress well what is text; what is compressed already would only cost time. */
const TEXTS =
  'text/plain text/css text/xml text/javascript application/javascript application/json application/manifest+json application/xml application/rss+xml application/wasm image/svg+xml font/ttf'

/**
 * The root configuration: ours whole. It includes our files by name, so that neither what a package drops beside it nor a site of
 * yesterday takes part.
 */
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
  server_names_hash_bucket_size 128;
  client_header_timeout 10s;
  client_body_timeout 10s;
  send_timeout 30s;
  keepalive_timeout 75s;
  keepalive_requests 100000;

  # Sites of files switch these on. What an application answers can hold a secret beside what a visitor sent, and its length would tell.
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

  # The real address of the peer: what real_ip put in its place is the visitor.
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

${common.hasDefault ? '' : nobody(common)}${status(common.status_port)}${common.raw === '' ? '' : `${common.raw.trimEnd()}\n`}${common.includes.map((path) => `  include ${path};\n`).join('')}}
`

/** Who does not come with a balancer's certificate, from a balancer's address, is answered nothing at all. */
export const guard = `  if ($is_balancer = 0) {
    return 444;
  }
  error_page 495 496 497 = @nothing;
  location @nothing {
    return 444;
  }
`

/** A name that no site has is nobody's: it must not be answered with the first site. */
const nobody = (common: Common): string => `  server {
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
