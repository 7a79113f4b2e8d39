import type { AlertCases } from './case.ts'

export const trafficCases: AlertCases = {
  SiteSlow: [
    {
      series: { 'probe_duration_seconds{job="site",host="lb-01",instance="www"}': '2x60' },
      silentAt: '30s',
      firingAt: '120s',
      labels: { job: 'site', host: 'lb-01', instance: 'www' },
      summary: 'www is slow: 5% of probes take 2s or longer',
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
      summary: 'visitors wait: 5% of responses take 2.417s or longer',
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
      summary: 'web-02 is slow: its responses in web take 3s on average',
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
      summary: '25% of all responses are server errors',
    },
  ],
  QpsCollapse: [
    {
      interval: '10s',
      series: { 'haproxy_frontend_http_requests_total{proxy="https",host="lb-01"}': '0+1000x480 480000+10x80' },
      silentAt: '79m',
      firingAt: '88m',
      summary: 'traffic collapsed: 1.0 requests per second, far below the usual rate',
    },
  ],
  QpsSurge: [
    {
      interval: '10s',
      series: { 'haproxy_frontend_http_requests_total{proxy="https",host="lb-01"}': '0+100x480 48000+2000x80' },
      silentAt: '79m',
      firingAt: '88m',
      summary: 'traffic surged: 200 requests per second, far above the usual rate',
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
      summary: 'lb-01 uses 90% of its connection limit (https)',
    },
  ],
}
