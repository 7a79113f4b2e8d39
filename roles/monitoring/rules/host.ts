import { type Alert, KEEP } from './rule.ts'

export const hostAlerts = (): readonly Alert[] => [
  {
    alert: 'HostDown',
    // Where pings are not let through, a host that measures nothing counts as down.
    expr: 'up{job="node"} == 0 unless on (host) probe_success{job="ping"} == 1',
    for: 15,
    keep: KEEP,
    severity: 'critical',
    summary: '{{ $labels.host }} is not there: it answers neither pings nor the monitoring',
    cases: [
      {
        series: { 'up{job="node",host="web-01"}': '1x4 0x20', 'probe_success{job="ping",host="web-01"}': '1x4 0x20' },
        quiet: '50s',
        at: '80s',
        labels: { job: 'node', host: 'web-01' },
        says: 'web-01 is not there: it answers neither pings nor the monitoring',
      },
    ],
  },
  {
    alert: 'AgentDown',
    expr: 'up{job="node"} == 0 and on (host) probe_success{job="ping"} == 1',
    for: 40,
    severity: 'warning',
    summary: '{{ $labels.host }} is there and cannot be measured',
    cases: [
      {
        series: { 'up{job="node",host="web-01"}': '1x4 0x20', 'probe_success{job="ping",host="web-01"}': '1x30' },
        quiet: '60s',
        at: '100s',
        labels: { job: 'node', host: 'web-01' },
        says: 'web-01 is there and cannot be measured',
      },
    ],
  },
  {
    alert: 'ExporterDown',
    expr: 'up{job!~"node|haproxy|ping|site|direct"} == 0',
    for: 60,
    severity: 'warning',
    summary: '{{ $labels.job }} on {{ $labels.host }} cannot be measured',
    cases: [
      {
        series: { 'up{job="mysql",host="web-01"}': '1x4 0x20' },
        quiet: '90s',
        at: '120s',
        labels: { job: 'mysql', host: 'web-01' },
        says: 'mysql on web-01 cannot be measured',
      },
    ],
  },
]
