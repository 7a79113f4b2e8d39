import { type Alert, KEEP } from './rule.ts'

export const hostAlerts = (): readonly Alert[] => [
  {
    alert: 'HostDown',
    // Where the network drops pings, a host without measurements counts as down.
    expr: 'up{job="node"} == 0 unless on (host) probe_success{job="ping"} == 1',
    for: 15,
    keep: KEEP,
    severity: 'critical',
    summary: '{{ $labels.host }} is down: it answers neither pings nor the monitoring',
  },
  {
    alert: 'AgentDown',
    expr: 'up{job="node"} == 0 and on (host) probe_success{job="ping"} == 1',
    for: 40,
    severity: 'warning',
    summary: '{{ $labels.host }} answers pings, but its measurements cannot be read',
  },
  {
    alert: 'ExporterDown',
    expr: 'up{job!~"node|haproxy|ping|site|direct|service",host!="elsewhere"} == 0',
    for: 60,
    severity: 'warning',
    summary: 'the measurements of {{ $labels.job }} on {{ $labels.host }} cannot be read',
  },
]
