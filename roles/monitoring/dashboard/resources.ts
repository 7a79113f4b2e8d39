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
import type { Options } from '../options.ts'
import { capabilitiesOf } from '../versions.ts'
import { CONFIG, configText, type Dashboard, OWN, ROOT, SILENCERS, STATE, USERS } from './nginx.ts'
import { pageOf } from './page.ts'
import { SCRIPT } from './script.ts'
import { ICON, STYLE } from './style.ts'

/** Directory of the console templates of Prometheus. */
export const CONSOLES = '/etc/prometheus/provision/consoles'
const UNIT = 'provision-dashboard.service'

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
export const pageResources = ({ options: { dashboard, receivers, heartbeat } }: HostContext<Options>): readonly Resource[] => {
  if (dashboard === false) return []
  const delivery = { receivers: receivers.map(({ name, type }) => `${name} (${type})`), hasHeartbeat: heartbeat !== undefined }
  return [directory({ path: CONSOLES }), file({ path: `${CONSOLES}/overview.html`, content: pageOf(delivery) })]
}

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
  const place = [host.name, ...host.addresses].join(' ')
  const accounts = (path: string, users: Dashboard['users']) =>
    file({ path, mode: '640', group: 'prometheus', content: httpUsersFile(users, place) })
  const maySilence = Object.entries(dashboard.users).filter(([name]) => dashboard.may_silence.includes(name))
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
    accounts(USERS, dashboard.users),
    accounts(SILENCERS, Object.fromEntries(maySilence)),
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
