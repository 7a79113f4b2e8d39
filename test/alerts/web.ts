import type { AlertCases } from './case.ts'

export const webCases: AlertCases = {
  SiteDown: [
    {
      series: { 'probe_success{job="site",host="lb-01",instance="www"}': '1x4 0x9 1x20' },
      silentAt: ['65s', '180s'],
      firingAt: ['70s', '175s'],
      labels: { job: 'site', host: 'lb-01', instance: 'www' },
      summary: 'www does not answer visitors (probed through lb-01)',
    },
  ],
  HaproxyDown: [
    {
      series: { 'up{job="haproxy",host="lb-01"}': '1x4 0x9 1x20' },
      silentAt: ['55s', '180s'],
      firingAt: ['60s', '175s'],
      labels: { job: 'haproxy', host: 'lb-01' },
      summary: 'HAProxy on lb-01 is down',
    },
  ],
  NginxDown: [
    {
      series: { 'nginx_up{job="nginx",host="web-02"}': '1x4 0x9 1x20' },
      silentAt: ['55s', '180s'],
      firingAt: ['60s', '175s'],
      labels: { job: 'nginx', host: 'web-02' },
      summary: 'nginx on web-02 is down',
    },
  ],
  WebServerDown: [
    {
      series: { 'probe_success{job="direct",host="web-02",instance="web-02"}': '1x4 0x20' },
      silentAt: '85s',
      firingAt: '90s',
      labels: { job: 'direct', host: 'web-02', instance: 'web-02' },
      summary: 'web-02 does not serve the site when probed directly',
    },
  ],
  BackendServerDown: [
    {
      series: {
        'haproxy_server_status{state="DOWN",proxy="web",server="web-02",host="lb-01"}': '0x4 1x20',
        'haproxy_server_status{state="DOWN",proxy="web.once",server="web-02",host="lb-01"}': '0x4 1x20',
      },
      silentAt: '95s',
      firingAt: '100s',
      labels: { backend: 'web', server: 'web-02', host: 'web-02' },
      summary: 'the balancers removed web-02 from web: it fails their health checks',
    },
  ],
}
