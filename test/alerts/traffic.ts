import type { AlertCases } from './case.ts'

export const trafficCases: AlertCases = {
  SiteSlow: [
    {
      series: { 'probe_duration_seconds{job="site",host="lb-01",instance="www"}': '2x60' },
      silentAt: '55s',
      firingAt: '60s',
      labels: { job: 'site', host: 'lb-01', instance: 'www' },
      summary: 'www is slow: 5% of probes take 2 s or longer',
    },
    { series: { 'probe_duration_seconds{job="site",host="lb-01",instance="www"}': '1x60' }, silentAt: '120s' },
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
      silentAt: '125s',
      firingAt: '130s',
      summary: 'visitors wait: 5% of responses take 2.41 s or longer',
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
      silentAt: '65s',
      firingAt: '70s',
      labels: { backend: 'web', server: 'web-02', host: 'web-02' },
      summary: 'web-02 is slow: its responses in web take 3 s on average',
    },
  ],
  ErrorRatio: [
    {
      series: {
        'haproxy_frontend_http_responses_total{proxy="https",code="5xx",host="lb-01"}': '0+10x30',
        'haproxy_frontend_http_responses_total{proxy="https",code="2xx",host="lb-01"}': '0+30x30',
        'haproxy_frontend_http_requests_total{proxy="https",host="lb-01"}': '0+40x30',
      },
      silentAt: '45s',
      firingAt: '50s',
      summary: '25% of all responses are server errors',
    },
  ],
  QpsCollapse: [
    {
      interval: '10s',
      series: { 'haproxy_frontend_http_requests_total{proxy="https",host="lb-01"}': '0+1000x480 480000+10x80' },
      isLong: true,
      silentAt: '81m',
      firingAt: '82m',
      summary: 'traffic collapsed: 1.0 requests per second, far below the usual rate',
    },
  ],
  QpsSurge: [
    {
      interval: '10s',
      series: { 'haproxy_frontend_http_requests_total{proxy="https",host="lb-01"}': '0+100x480 48000+2000x80' },
      isLong: true,
      silentAt: '81m',
      firingAt: '82m',
      summary: 'traffic surged: 200 requests per second, far above the usual rate',
    },
  ],
  BalancerFull: [
    {
      series: {
        'haproxy_frontend_current_sessions{proxy="https",host="lb-01"}': '9x30',
        'haproxy_frontend_limit_sessions{proxy="https",host="lb-01"}': '10x30',
      },
      silentAt: '25s',
      firingAt: '30s',
      labels: { proxy: 'https', host: 'lb-01' },
      summary: 'lb-01 uses 90% of its connection limit (https)',
    },
  ],
}
