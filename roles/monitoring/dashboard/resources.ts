import {
  directory,
  file,
  type HostContext,
  httpUsersFile,
  type Listen,
  leaf,
  newWorker,
  pkg,
  type Resource,
  type SiteContext,
  sandbox,
  service,
  settingLines,
  unit,
} from 'provision'
import { PKI } from '../agent.ts'
import type { Options } from '../options.ts'
import { capabilitiesOf } from '../versions.ts'
import { PAGE } from './page.ts'
import { SCRIPT } from './script.ts'
import { ICON, STYLE } from './style.ts'

export type Dashboard = Exclude<Options['dashboard'], false>

/** Directory of the console templates of Prometheus. */
export const CONSOLES = '/etc/prometheus/provision/consoles'
const ROOT = '/etc/provision/dashboard'
const CONFIG = `${ROOT}/nginx.conf`
const USERS = `${ROOT}/users`
const STATE = '/var/lib/provision-dashboard'
const UNIT = 'provision-dashboard.service'
const OWN = `${PKI}/dashboard.pem`

export const certificateOf = ({ certificate }: Dashboard): string => certificate ?? OWN

export const dashboardListens = ({ options: { dashboard } }: SiteContext<Options>): readonly Listen[] =>
  dashboard === false
    ? []
    : [
        {
          service: 'dashboard',
          port: dashboard.port,
          protocol: 'tcp',
          from: [dashboard.open ? 'anyone' : 'administrators'],
          encrypted: true,
        },
      ]

/** Template of the dashboard. It is declared before Prometheus, which renders it. */
export const pageResources = ({ options: { dashboard } }: HostContext<Options>): readonly Resource[] =>
  dashboard === false ? [] : [directory({ path: CONSOLES }), file({ path: `${CONSOLES}/overview.html`, content: PAGE })]

/** A separate nginx for the dashboard, because the host's nginx may serve sites. HTTPS and a password are required. */
export const dashboardResources = (context: HostContext<Options>): readonly Resource[] => {
  const { options, host, facts, authority } = context
  const { dashboard } = options
  if (dashboard === false) return []
  const metrics = authority({ domain: 'metrics' })
  const own = leaf({ path: OWN, names: [metrics.nameOf(host.name)], authority: metrics, usages: ['server'] })
  const statics = Object.entries({ 'dashboard.js': SCRIPT, 'dashboard.css': STYLE, 'icon.svg': ICON }).map(([name, content]) =>
    file({ path: `${ROOT}/static/${name}`, content }),
  )
  const users = file({
    path: USERS,
    mode: '640',
    group: 'prometheus',
    content: httpUsersFile(dashboard.users, [host.name, ...host.addresses].join(' ')),
  })
  const set = { name: 'dashboard', root: ROOT, check: ['nginx', '-t', '-q', '-c', CONFIG] }
  const config = file({ path: CONFIG, content: configText(dashboard, capabilitiesOf(facts).hasHttp2Directive), set })
  const job = unit({ name: UNIT, content: unitText(dashboard) })
  return [
    pkg({ name: 'nginx' }),
    ...(dashboard.certificate === undefined ? [own] : []),
    directory({ path: STATE }),
    directory({ path: '/etc/provision' }),
    directory({ path: ROOT }),
    directory({ path: `${ROOT}/static` }),
    ...statics,
    users,
    config,
    job,
    service({
      unit: UNIT,
      loads: [config, ...(dashboard.certificate === undefined ? [own] : [])],
      restarts: [job],
      set: set.name,
      took: newWorker,
    }),
  ]
}

const TEMPORARY = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']

const configText = (dashboard: Dashboard, hasHttp2Directive: boolean): string => {
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

    add_header Content-Security-Policy "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'" always;
    add_header X-Content-Type-Options nosniff always;
    add_header Referrer-Policy no-referrer always;

    location = / { proxy_pass http://127.0.0.1:9090/consoles/overview.html; }
    location /static/ { alias ${ROOT}/static/; }
    location /consoles/ { proxy_pass http://127.0.0.1:9090; }
    location /api/v1/ {
      limit_except GET POST { deny all; }
      proxy_pass http://127.0.0.1:9090;
    }
    # Alerts link to their query at /graph.
    location = /graph { return 302 /classic/graph$is_args$args; }
    # The pages of Prometheus contain inline scripts. A location with headers of its own inherits none.
    location /classic/ {
      add_header Content-Security-Policy "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'" always;
      add_header X-Content-Type-Options nosniff always;
      add_header Referrer-Policy no-referrer always;
      proxy_pass http://127.0.0.1:9090;
    }
    location / { return 404; }
  }
}
`
}

/** Capabilities of the main process, which creates directories, starts its worker as another account and signals it. */
const CAPABILITIES = ['CAP_SETUID', 'CAP_SETGID', 'CAP_CHOWN', 'CAP_KILL']

// A daily restart loads a certificate that another role renews.
const unitText = ({ certificate, port }: Dashboard): string => `# Written by provision (role monitoring).
[Unit]
Description=Dashboard of the monitoring
After=network.target prometheus.service
StartLimitIntervalSec=0

[Service]
ExecStart=/usr/sbin/nginx -c ${CONFIG}
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=2s
${settingLines(
  sandbox(
    { network: 'all', capabilities: [...(port < 1024 ? ['CAP_NET_BIND_SERVICE'] : []), ...CAPABILITIES] },
    { ReadWritePaths: STATE, ...(certificate !== undefined && { RuntimeMaxSec: '1d' }) },
  ),
)}
[Install]
WantedBy=multi-user.target
`
