import type { AlertCases } from './case.ts'

export const hostCases: AlertCases = {
  HostDown: [
    {
      // The alert keeps firing for half a minute.
      series: { 'up{job="node",host="web-01"}': '1x4 0x9 1x20', 'probe_success{job="ping",host="web-01"}': '1x4 0x20' },
      silentAt: ['60s', '180s'],
      firingAt: ['65s', '175s'],
      labels: { job: 'node', host: 'web-01' },
      summary: 'web-01 is down: it answers neither pings nor the monitoring',
    },
    {
      // Pings that are not measured prove nothing.
      series: { 'up{job="node",host="web-01"}': '0x20', 'probe_success{job="ping",host="web-02"}': '1x20' },
      silentAt: '10s',
      firingAt: '15s',
      labels: { job: 'node', host: 'web-01' },
      summary: 'web-01 is down: it answers neither pings nor the monitoring',
    },
    { series: { 'up{job="node",host="web-01"}': '0x20', 'probe_success{job="ping",host="web-01"}': '1x20' }, silentAt: '180s' },
  ],
  AgentDown: [
    {
      series: { 'up{job="node",host="web-01"}': '1x4 0x20', 'probe_success{job="ping",host="web-01"}': '1x30' },
      silentAt: ['85s'],
      firingAt: ['90s'],
      labels: { job: 'node', host: 'web-01' },
      summary: 'web-01 answers pings, but its measurements cannot be read',
    },
    { series: { 'up{job="node",host="web-01"}': '0x20', 'probe_success{job="ping",host="web-01"}': '0x20' }, silentAt: '180s' },
  ],
  ExporterDown: [
    {
      series: { 'up{job="mysql",host="web-01"}': '1x4 0x20' },
      silentAt: '105s',
      firingAt: '110s',
      labels: { job: 'mysql', host: 'web-01' },
      summary: 'the measurements of mysql on web-01 cannot be read',
    },
    // These have separate alerts.
    ...['node', 'haproxy', 'ping', 'site', 'direct', 'service'].map((job) => ({
      series: { [`up{job="${job}",host="web-01"}`]: '0x20' },
      silentAt: '180s',
    })),
  ],
}
