import { type AlertCases, outage } from './case.ts'

export const webCases: AlertCases = {
  SiteDown: [
    outage(
      'probe_success{job="site",host="lb-01",instance="www"}',
      20,
      { job: 'site', host: 'lb-01', instance: 'www' },
      'www does not answer visitors (probed through lb-01)',
    ),
    {
      // The summary names the parts that are down.
      series: {
        'probe_success{job="site",host="elsewhere",instance="www"}': '0x20',
        'nginx_up{job="nginx",host="web-02"}': '0x20',
        'nginx_up{job="nginx",host="web-01"}': '0x20',
        'nginx_up{job="nginx",host="web-03"}': '1x20',
        'up{job="haproxy",host="lb-01"}': '0x20',
        'mysql_up{job="mysql",host="db-01"}': '0x20',
        'up{job="node",host="web-04"}': '0x20',
        'up{job="node",host="web-05"}': '0x20',
        'probe_success{job="ping",host="web-05"}': '1x20',
      },
      silentAt: '15s',
      firingAt: '60s',
      labels: { job: 'site', host: 'elsewhere', instance: 'www' },
      summary:
        'www does not answer visitors; down are the hosts web-04; HAProxy is down on lb-01; nginx is down on web-01, web-02; the database is down on db-01',
    },
  ],
  HaproxyDown: [outage('up{job="haproxy",host="lb-01"}', 10, { job: 'haproxy', host: 'lb-01' }, 'HAProxy on lb-01 is down')],
  NginxDown: [outage('nginx_up{job="nginx",host="web-02"}', 10, { job: 'nginx', host: 'web-02' }, 'nginx on web-02 is down')],
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
