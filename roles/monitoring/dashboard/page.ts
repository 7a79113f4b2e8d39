import { checksOf, NO_BACKUP } from './page/checks.ts'
import { FORMATS } from './page/format.ts'
import { HOSTS } from './page/hosts.ts'
import { PATH } from './page/path.ts'

export interface Delivery {
  /** Names and types of the receivers of alerts. */
  readonly receivers: readonly string[]
  readonly hasHeartbeat: boolean
}

const PERIODS = [
  [15, '15 min'],
  [60, '1 h'],
  [360, '6 h'],
  [1440, '1 d'],
  [10_080, '7 d'],
] as const

const PROBLEMS = 'count(count by (alertname) (alert:causes))'

/** The first line. It says that all is well only if alerts have a receiver and databases have a backup. */
const heading = (receivers: readonly string[]): string =>
  `{{ with query "${PROBLEMS}" }}<span class="bad">{{ . | first | value }} problem{{ if gt (. | first | value) 1.0 }}s{{ end }}</span>` +
  `{{ else }}{{ if not (query "up{job='node'}") }}<span class="warn">No measurements yet</span>` +
  (receivers.length === 0 ? `{{ else }}<span class="warn">No alerts, but no receiver is configured</span>{{ end }}` : '') +
  (receivers.length === 0
    ? ''
    : `{{ else if query "${NO_BACKUP}" }}<span class="warn">No alerts, but no backup exists</span>{{ else }}<span class="good">All is well</span>{{ end }}`) +
  '{{ end }}'

/** The dashboard as a console template of Prometheus. It renders without JavaScript; the script adds alert texts and charts. */
export const pageOf = ({ receivers, hasHeartbeat }: Delivery): string => `${FORMATS}<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ with query "${PROBLEMS}" }}({{ . | first | value }}) {{ end }}monitoring</title>
<link rel="stylesheet" href="/static/dashboard.css">
<link rel="icon" href="/static/icon.svg">
</head>
<body>
<header>
<h1 id="heading">${heading(receivers)}</h1>
<nav>${PERIODS.map(([minutes, name]) => `<a href="?m=${minutes}">${name}</a>`).join('')}<a href="/classic/graph">query</a><a href="/classic/alerts">rules</a></nav>
</header>
<p id="notice"></p>

<section id="alerts">
{{ range query "alert:causes" | sortByLabel "severity" }}<div class="alert {{ .Labels.severity }}"><h3>{{ .Labels.alertname }}</h3><p>{{ .Labels.host }} {{ .Labels.instance }}</p></div>
{{ end }}</section>
<section id="silences"></section>

<div id="state">
${PATH}
${checksOf(receivers, hasHeartbeat)}
${HOSTS}</div>

<h2>Charts</h2>
<section id="curves"></section>
<footer id="times"></footer>
<script src="/static/dashboard.js"></script>
</body>
</html>
`
