import { type HostContext, type Resource, Secret } from 'provision'
import { authorityFiles, authorityPath } from './authorities.ts'
import { clientSettings } from './options/access.ts'
import type { Receiver } from './options/receivers.ts'
import type { Options } from './options.ts'
import type { Yaml } from './yaml.ts'

// Alerts of one name on one host are sent as one message.
const TITLE =
  '{{ if eq .Status "firing" }}{{ .CommonLabels.severity | toUpper }}: {{ (index .Alerts.Firing 0).Annotations.summary }}{{ if gt (len .Alerts.Firing) 1 }} ({{ len .Alerts.Firing }} alerts){{ end }}{{ else }}RESOLVED: {{ (index .Alerts 0).Annotations.summary }}{{ end }}'
const BODY =
  '{{ range .Alerts }}{{ .Annotations.summary }}\nSince {{ .StartsAt.UTC.Format "15:04:05 MST, 2 January" }}{{ if eq .Status "resolved" }}, resolved at {{ .EndsAt.UTC.Format "15:04:05" }}{{ else }}{{ with .Annotations.runbook }}\n\nWhat to do: {{ . }}{{ end }}{{ end }}\n{{ end }}'

const authorityId = ({ name }: Receiver): string => `receiver-${name}`

/** Authorities of the receivers. */
export const receiverAuthorities = (context: HostContext<Options>): readonly Resource[] =>
  context.options.receivers.flatMap((one) => authorityFiles(context, authorityId(one), 'receiver', one.ca_file))

type Settings = { readonly [key: string]: Yaml | undefined }

/** The name by which Alertmanager knows a service, and how it is called. */
const serviceOf = (one: Exclude<Receiver, { type: 'email' }>, text: string, link: string): readonly [name: string, settings: Settings] => {
  switch (one.type) {
    case 'webhook':
      return ['webhook', { url: one.url }]
    case 'ntfy':
      return ['webhook', { url: ntfyUrl(one) }]
    case 'telegram':
      return [
        'telegram',
        // Without a mode, Telegram would read names and addresses as markup.
        { bot_token: one.bot_token, chat_id: one.chat_id, api_url: one.url, parse_mode: '', message: `${TITLE}\n\n${text}` },
      ]
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
export const receiverOf = (one: Receiver, link: string): Yaml => {
  const text = link === '' ? BODY : `${BODY}\nSee ${link}\n`
  if (one.type !== 'email') {
    const [service, settings] = serviceOf(one, text, link)
    const client = clientSettings('auth' in one ? one.auth : undefined, authorityPath(authorityId(one), one.ca_file))
    const http = Object.keys(client).length === 0 ? {} : { http_config: client }
    return { name: one.name, [`${service}_configs`]: [{ ...settings, send_resolved: true, ...http }] }
  }
  return {
    name: one.name,
    email_configs: one.to.map((to) => ({
      to,
      from: one.from,
      smarthost: one.server,
      require_tls: one.tls,
      ...clientSettings(undefined, authorityPath(authorityId(one), one.ca_file)),
      ...(one.user === undefined ? {} : { auth_username: one.user }),
      ...(one.password === undefined ? {} : { auth_password: one.password }),
      send_resolved: true,
      headers: { Subject: TITLE },
      text,
      html: '',
    })),
  }
}

/**
 * Address of a topic at which ntfy makes a message of an alert: `t` and `m` are templates that ntfy fills from the JSON of Alertmanager. They
 * may have no definitions.
 */
const ntfyUrl = ({ url, priority }: Extract<Receiver, { type: 'ntfy' }>): Secret => {
  const address = url.reveal()
  const parameters = new URLSearchParams({ tpl: 'yes', p: String(priority), t: NTFY_TITLE, m: NTFY_TEXT })
  return new Secret(`${address}${address.includes('?') ? '&' : '?'}${parameters.toString().replaceAll('+', '%20')}`)
}

const NTFY_TITLE =
  '{{ if eq .status "firing" }}{{ .commonLabels.severity }}: {{ else }}resolved: {{ end }}{{ (index .alerts 0).annotations.summary }}'
const NTFY_TEXT =
  '{{ range .alerts }}{{ .annotations.summary }}{{ if eq .status "firing" }}{{ with .annotations.runbook }}\n\nWhat to do: {{ . }}{{ end }}{{ end }}\n{{ end }}'
