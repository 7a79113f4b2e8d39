import type { AlertCases } from './case.ts'

export const trafficCases: AlertCases = {
  SiteSlow: [
    {
      series: { 'probe_duration_seconds{job="site",host="lb-01",instance="www"}': '2x60' },
      silentAt: '30s',
      firingAt: '120s',
      labels: { job: 'site', host: 'lb-01', instance: 'www' },
      summary: 'www is slow: one page in twenty takes 2s or longer',
    },
  ],
  VisitorsWait: [
    {
      interval: '10s',
      series: {
        'provision_site_response_seconds_bucket{host="lb-01",le="1"}': '0+10x90',
        'provision_site_response_seconds_bucket{host="lb-01",le="2.5"}': '0+100x90',
        'provision_site_response_seconds_bucket{host="lb-01",le="+Inf"}': '0+100x90',
        'haproxy_frontend_http_requests_total{proxy="https",host="lb-01"}': '0+100x90',
      },
      silentAt: '60s',
      firingAt: '10m',
      summary: 'visitors wait: one answer in twenty takes 2.417s or longer',
    },
  ],
  ServersSlow: [
    {
      series: {
        'haproxy_server_response_time_average_seconds{proxy="web",server="web-02",host="lb-01"}': '1x60',
        'haproxy_server_response_time_average_seconds{proxy="web.once",server="web-02",host="lb-01"}': '7x60',
        'haproxy_server_http_responses_total{proxy="web",code="2xx",server="web-02",host="lb-01"}': '0+20x60',
        'haproxy_server_http_responses_total{proxy="web.once",code="2xx",server="web-02",host="lb-01"}': '0+10x60',
      },
      silentAt: '30s',
      firingAt: '120s',
      labels: { backend: 'web', server: 'web-02', host: 'web-02' },
      summary: 'web-02 takes 3s for an answer in web',
    },
  ],
  ErrorRatio: [
    {
      series: {
        'haproxy_frontend_http_responses_total{proxy="https",code="5xx",host="lb-01"}': '0+10x30',
        'haproxy_frontend_http_responses_total{proxy="https",code="2xx",host="lb-01"}': '0+30x30',
        'haproxy_frontend_http_requests_total{proxy="https",host="lb-01"}': '0+40x30',
      },
      silentAt: '20s',
      firingAt: '120s',
      summary: '25% of all answers are errors of the server',
    },
  ],
  QpsCollapse: [
    {
      interval: '10s',
      series: { 'haproxy_frontend_http_requests_total{proxy="https",host="lb-01"}': '0+1000x480 480000+10x80' },
      silentAt: '79m',
      firingAt: '88m',
      summary: 'hardly anybody comes: 1.0 requests a second, where there usually are more',
    },
  ],
  QpsSurge: [
    {
      interval: '10s',
      series: { 'haproxy_frontend_http_requests_total{proxy="https",host="lb-01"}': '0+100x480 48000+2000x80' },
      silentAt: '79m',
      firingAt: '88m',
      summary: 'many more come than usually: 200 requests a second',
    },
  ],
  BalancerFull: [
    {
      series: {
        'haproxy_frontend_current_sessions{proxy="https",host="lb-01"}': '9x30',
        'haproxy_frontend_limit_sessions{proxy="https",host="lb-01"}': '10x30',
      },
      silentAt: '10s',
      firingAt: '60s',
      labels: { proxy: 'https', host: 'lb-01' },
      summary: 'lb-01 has 90% of the connections that it can have (https)',
    },
  ],
}
