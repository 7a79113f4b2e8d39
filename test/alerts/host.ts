import type { AlertCases } from './case.ts'

export const hostCases: AlertCases = {
  HostDown: [
    {
      series: { 'up{job="node",host="web-01"}': '1x4 0x20', 'probe_success{job="ping",host="web-01"}': '1x4 0x20' },
      silentAt: '50s',
      firingAt: '80s',
      labels: { job: 'node', host: 'web-01' },
      summary: 'web-01 is down: it answers neither pings nor the monitoring',
    },
  ],
  AgentDown: [
    {
      series: { 'up{job="node",host="web-01"}': '1x4 0x20', 'probe_success{job="ping",host="web-01"}': '1x30' },
      silentAt: '60s',
      firingAt: '100s',
      labels: { job: 'node', host: 'web-01' },
      summary: 'web-01 answers pings, but its measurements cannot be read',
    },
  ],
  ExporterDown: [
    {
      series: { 'up{job="mysql",host="web-01"}': '1x4 0x20' },
      silentAt: '90s',
      firingAt: '120s',
      labels: { job: 'mysql', host: 'web-01' },
      summary: 'the measurements of mysql on web-01 cannot be read',
    },
  ],
}
