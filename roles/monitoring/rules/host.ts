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
  },
  {
    alert: 'AgentDown',
    expr: 'up{job="node"} == 0 and on (host) probe_success{job="ping"} == 1',
    for: 40,
    severity: 'warning',
    summary: '{{ $labels.host }} is there and cannot be measured',
  },
  {
    alert: 'ExporterDown',
    expr: 'up{job!~"node|haproxy|ping|site|direct"} == 0',
    for: 60,
    severity: 'warning',
    summary: '{{ $labels.job }} on {{ $labels.host }} cannot be measured',
  },
]
