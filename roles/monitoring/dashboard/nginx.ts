import { PKI } from '../agent.ts'
import type { Options } from '../options.ts'

export type Dashboard = Exclude<Options['dashboard'], false>

export const ROOT = '/etc/provision/dashboard'
export const CONFIG = `${ROOT}/nginx.conf`
export const USERS = `${ROOT}/users`
/** Users that may silence alerts. */
export const SILENCERS = `${ROOT}/silencers`
export const STATE = '/var/lib/provision-dashboard'
export const OWN = `${PKI}/dashboard.pem`

const certificateOf = ({ certificate }: Dashboard): string => certificate ?? OWN

const limit = (method: string): string => `limit_except ${method} { deny all; }`

const OWN_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
const POLICY_OF_PROMETHEUS =
  "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"

const headers = (policy: string): string =>
  [`Content-Security-Policy "${policy}"`, 'X-Content-Type-Options nosniff', 'Referrer-Policy no-referrer']
    .map((header) => `      add_header ${header} always;\n`)
    .join('')

/** Refuses requests that pages of other sites make with the browser of an account. */
const OWN_PAGE = 'if ($http_origin != https://$http_host) { return 403; }'

const TEMPORARY = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']

/** Configuration of the nginx of the dashboard. Everything that it does not name is refused. */
export const configText = (dashboard: Dashboard, hasHttp2Directive: boolean): string => {
  const [parameter, directive] = hasHttp2Directive ? ['', '    http2 on;\n'] : [' http2', '']
  const certificate = certificateOf(dashboard)
  return `# Written by provision.
user prometheus;
worker_processes 1;
daemon off;
pid ${STATE}/nginx.pid;
error_log stderr warn;

events {
  worker_connections 512;
}

http {
  include /etc/nginx/mime.types;
  access_log off;
  log_format silences '$remote_user ($remote_addr) $request_method $uri $status $request_body';
  server_tokens off;
${TEMPORARY.map((name) => `  ${name}_temp_path ${STATE}/${name};\n`).join('')}
  # Limits how fast passwords can be tried.
  limit_req_zone $binary_remote_addr zone=visitors:1m rate=20r/s;
  limit_req_status 429;

  server {
    listen ${dashboard.port} ssl${parameter};
    listen [::]:${dashboard.port} ssl${parameter};
${directive}    ssl_certificate ${certificate};
    ssl_certificate_key ${certificate}.key;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_tickets off;
    error_page 497 =308 https://$http_host$request_uri;

    auth_basic monitoring;
    auth_basic_user_file ${USERS};
    limit_req zone=visitors burst=100 nodelay;

${headers(OWN_POLICY)}
    location = / { proxy_pass http://127.0.0.1:9090/consoles/overview.html; }
    location /static/ { alias ${ROOT}/static/; }
    location /consoles/ { proxy_pass http://127.0.0.1:9090; }
    location = /alerts { ${limit('GET')} proxy_pass http://127.0.0.1:9093/api/v2/alerts; }
    location = /silences { ${limit('GET')} proxy_pass http://127.0.0.1:9093/api/v2/silences; }
    location /api/v1/ {
      limit_except GET POST { deny all; }
      proxy_pass http://127.0.0.1:9090;
    }
    # Alerts link to their query at /graph.
    location = /graph { return 302 /classic/graph$is_args$args; }
    # The pages of Prometheus contain inline scripts. A location with headers of its own inherits none.
    location /classic/ {
${headers(POLICY_OF_PROMETHEUS)}      proxy_pass http://127.0.0.1:9090;
    }
    # Only accounts that may silence alerts, only from this page (browsers send the origin of a request), and each change is logged.
    location /silence {
      auth_basic_user_file ${SILENCERS};
      # A browser would ask for another password.
      error_page 401 =403 @denied;
      client_max_body_size 16k;
      access_log syslog:server=unix:/dev/log,tag=provision_dashboard,nohostname silences;
      location = /silence/account {
        ${limit('GET')}
        access_log off;
        # Pages of all users ask here.
        error_log stderr crit;
        add_header Account $remote_user;
${headers(OWN_POLICY)}        alias ${ROOT}/static/icon.svg;
      }
      location = /silence/add {
        ${limit('POST')}
        ${OWN_PAGE}
        if ($content_type !~* ^application/json) { return 415; }
        proxy_pass http://127.0.0.1:9093/api/v2/silences;
      }
      location ~ "^/silence/end/([0-9a-f-]{36})$" {
        ${limit('DELETE')}
        ${OWN_PAGE}
        proxy_pass http://127.0.0.1:9093/api/v2/silence/$1;
      }
      location /silence/ { return 404; }
    }
    location @denied { return 403; }
    location / { return 404; }
  }
}
`
}
