import type { Text } from 'provision'
import type { Options, Receiver } from './options.ts'
import { type HostsNamed, intervalsOf, routeOf } from './routes.ts'
import { CAUSES } from './rules/causes.ts'
import { type Yaml, yaml } from './yaml.ts'

/** Content of alertmanager.yml. Messages link to `page`, the address of the dashboard. */
export const alertmanagerConfig = (options: Options, page?: string, hostsNamed?: HostsNamed): Text => {
  const { heartbeat, receivers } = options
  const intervals = intervalsOf(options)
  return yaml({
    ...(intervals.length > 0 && { mute_time_intervals: intervals }),
    route: routeOf(options, hostsNamed),
    inhibit_rules: CAUSES.map(([cause, effects]) => ({
      source_matchers: [`alertname=~"${cause}"`],
      target_matchers: [`alertname=~"${effects}"`, `alertname!~"${cause}"`],
      equal: ['host'],
    })),
    receivers: [
      { name: 'nobody' },
      ...(heartbeat === undefined ? [] : [{ name: 'heartbeat', webhook_configs: [{ url: heartbeat, send_resolved: false }] }]),
      ...receivers.map((one) => receiverOf(one, page === undefined ? '' : `${page}#${NAME}`)),
    ],
  })
}

/** Name of the alerts of a message, which is an anchor on the page. */
const NAME = '{{ .CommonLabels.alertname }}'
// Alerts of one name on one host are sent as one message.
const TITLE =
  '{{ if eq .Status "firing" }}{{ .CommonLabels.severity | toUpper }}: {{ (index .Alerts.Firing 0).Annotations.summary }}{{ if gt (len .Alerts.Firing) 1 }} ({{ len .Alerts.Firing }} alerts){{ end }}{{ else }}RESOLVED: {{ (index .Alerts 0).Annotations.summary }}{{ end }}'
const BODY =
  '{{ range .Alerts }}{{ .Annotations.summary }}\nSince {{ .StartsAt.UTC.Format "15:04:05 MST, 2 January" }}{{ if eq .Status "resolved" }}, resolved at {{ .EndsAt.UTC.Format "15:04:05" }}{{ else }}{{ with .Annotations.runbook }}\n\nWhat to do: {{ . }}{{ end }}{{ end }}\n{{ end }}'

/** Path of the authority of a receiver, if it has its own. */
export const authorityOf = ({ name, ca_file }: Receiver): string | undefined =>
  ca_file === undefined ? undefined : `/etc/prometheus/provision/receiver-${name}.pem`

type Settings = { readonly [key: string]: Yaml | undefined }

/** The name by which Alertmanager knows a service, and how it is called. */
const serviceOf = (one: Exclude<Receiver, { type: 'email' }>, text: string, link: string): readonly [name: string, settings: Settings] => {
  switch (one.type) {
    case 'webhook':
      return ['webhook', { url: one.url }]
    case 'slack':
      return ['slack', { api_url: one.url, channel: one.channel, title: TITLE, title_link: link, text }]
    case 'pagerduty':
      return [
        'pagerduty',
        { routing_key: one.routing_key, url: one.url, client_url: link, severity: SEVERITY, description: TITLE, details: { alerts: text } },
      ]
    case 'opsgenie':
      return ['opsgenie', { api_key: one.api_key, api_url: one.url, message: TITLE, description: text, source: link, priority: PRIORITY }]
    case 'discord':
      return ['discord', { webhook_url: one.url, title: TITLE, message: text }]
    case 'teams':
      return ['msteamsv2', { webhook_url: one.url, title: TITLE, text }]
  }
}

const IF_CRITICAL = '{{ if eq .CommonLabels.severity "critical" }}'
const SEVERITY = `${IF_CRITICAL}critical{{ else }}warning{{ end }}`
const PRIORITY = `${IF_CRITICAL}P1{{ else }}P3{{ end }}`

/** A receiver whose messages lead to `link`, an address on the dashboard; empty without one. */
const receiverOf = (one: Receiver, link: string): Yaml => {
  const text = link === '' ? BODY : `${BODY}\nSee ${link}\n`
  const authority = authorityOf(one)
  const trust = authority === undefined ? {} : { tls_config: { ca_file: authority } }
  if (one.type !== 'email') {
    const [service, settings] = serviceOf(one, text, link)
    const http = authority === undefined ? {} : { http_config: trust }
    return { name: one.name, [`${service}_configs`]: [{ ...settings, send_resolved: true, ...http }] }
  }
  return {
    name: one.name,
    email_configs: one.to.map((to) => ({
      to,
      from: one.from,
      smarthost: one.server,
      require_tls: one.tls,
      ...trust,
      ...(one.user === undefined ? {} : { auth_username: one.user }),
      ...(one.password === undefined ? {} : { auth_password: one.password }),
      send_resolved: true,
      headers: { Subject: TITLE },
      text,
      html: '',
    })),
  }
}
