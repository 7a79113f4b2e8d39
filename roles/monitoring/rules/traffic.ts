import type { Alert, Numbers, Recorded } from './rule.ts'

/** The same hour a week ago, else yesterday, else the hour before: what a site usually has now. */
export const trafficRecords = (): readonly Recorded[] => [
  ...[0.5, 0.95, 0.99].map((part) => ({
    record: `site:response_seconds:p${part * 100}`,
    expr: `histogram_quantile(${part}, sum by (le) (rate(provision_site_response_seconds_bucket[5m])))`,
  })),
  {
    record: 'site:qps:usual',
    expr: 'avg_over_time(site:qps[1h] offset 167h30m) or avg_over_time(site:qps[1h] offset 23h30m) or avg_over_time(site:qps[1h] offset 10m)',
  },
]

export const trafficAlerts = ({ limits }: Numbers): readonly Alert[] => [
  {
    alert: 'SiteSlow',
    expr: `probe:seconds:p95 > ${limits.slow_seconds}`,
    for: 60,
    severity: 'warning',
    summary: '{{ $labels.instance }} is slow: one page in twenty takes {{ $value | humanizeDuration }} or longer',
    cases: [
      {
        series: { 'probe_duration_seconds{job="site",host="lb-01",instance="www"}': '2x60' },
        quiet: '30s',
        at: '120s',
        labels: { job: 'site', host: 'lb-01', instance: 'www' },
        says: 'www is slow: one page in twenty takes 2s or longer',
      },
    ],
  },
  {
    alert: 'VisitorsWait',
    expr: `site:response_seconds:p95 > ${limits.slow_seconds} and site:qps > ${limits.least_qps}`,
    for: 120,
    severity: 'warning',
    summary: 'visitors wait: one answer in twenty takes {{ $value | humanizeDuration }} or longer',
    cases: [
      {
        every: '10s',
        series: {
          'provision_site_response_seconds_bucket{host="lb-01",le="1"}': '0+10x90',
          'provision_site_response_seconds_bucket{host="lb-01",le="2.5"}': '0+100x90',
          'provision_site_response_seconds_bucket{host="lb-01",le="+Inf"}': '0+100x90',
          'haproxy_frontend_http_requests_total{proxy="https",host="lb-01"}': '0+100x90',
        },
        quiet: '60s',
        at: '10m',
        says: 'visitors wait: one answer in twenty takes 2.417s or longer',
      },
    ],
  },
  {
    alert: 'ServersSlow',
    expr: `server:response_seconds > ${limits.slow_seconds}`,
    for: 60,
    severity: 'warning',
    summary: '{{ $labels.host }} takes {{ $value | humanizeDuration }} for an answer in {{ $labels.backend }}',
    cases: [
      {
        series: {
          'haproxy_server_response_time_average_seconds{proxy="web",server="web-02",host="lb-01"}': '1x60',
          'haproxy_server_response_time_average_seconds{proxy="web.once",server="web-02",host="lb-01"}': '7x60',
          'haproxy_server_http_responses_total{proxy="web",code="2xx",server="web-02",host="lb-01"}': '0+20x60',
          'haproxy_server_http_responses_total{proxy="web.once",code="2xx",server="web-02",host="lb-01"}': '0+10x60',
        },
        quiet: '30s',
        at: '120s',
        labels: { backend: 'web', server: 'web-02', host: 'web-02' },
        says: 'web-02 takes 3s for an answer in web',
      },
    ],
  },
  {
    alert: 'ErrorRatio',
    expr: `site:error_ratio > ${limits.error_ratio} and site:qps > ${limits.least_qps}`,
    for: 30,
    severity: 'critical',
    summary: '{{ $value | humanizePercentage }} of all answers are errors of the server',
    cases: [
      {
        series: {
          'haproxy_frontend_http_responses_total{proxy="https",code="5xx",host="lb-01"}': '0+10x30',
          'haproxy_frontend_http_responses_total{proxy="https",code="2xx",host="lb-01"}': '0+30x30',
          'haproxy_frontend_http_requests_total{proxy="https",host="lb-01"}': '0+40x30',
        },
        quiet: '20s',
        at: '120s',
        says: '25% of all answers are errors of the server',
      },
    ],
  },
  {
    alert: 'QpsCollapse',
    expr: `site:qps < ${limits.collapse} * site:qps:usual and site:qps:usual > ${limits.least_qps}`,
    for: 60,
    severity: 'warning',
    summary: 'hardly anybody comes: {{ $value | printf "%.1f" }} requests a second, where there usually are more',
    cases: [
      {
        every: '10s',
        series: { 'haproxy_frontend_http_requests_total{proxy="https",host="lb-01"}': '0+1000x480 480000+10x80' },
        quiet: '79m',
        at: '88m',
        says: 'hardly anybody comes: 1.0 requests a second, where there usually are more',
      },
    ],
  },
  {
    alert: 'QpsSurge',
    expr: `site:qps > ${limits.surge} * site:qps:usual and site:qps > ${10 * limits.least_qps}`,
    for: 60,
    severity: 'warning',
    summary: 'many more come than usually: {{ $value | printf "%.0f" }} requests a second',
    cases: [
      {
        every: '10s',
        series: { 'haproxy_frontend_http_requests_total{proxy="https",host="lb-01"}': '0+100x480 48000+2000x80' },
        quiet: '79m',
        at: '88m',
        says: 'many more come than usually: 200 requests a second',
      },
    ],
  },
  {
    alert: 'BalancerFull',
    expr: 'frontend:saturation > 0.8',
    for: 30,
    severity: 'critical',
    summary: '{{ $labels.host }} has {{ $value | humanizePercentage }} of the connections that it can have ({{ $labels.proxy }})',
    cases: [
      {
        series: {
          'haproxy_frontend_current_sessions{proxy="https",host="lb-01"}': '9x30',
          'haproxy_frontend_limit_sessions{proxy="https",host="lb-01"}': '10x30',
        },
        quiet: '10s',
        at: '60s',
        labels: { proxy: 'https', host: 'lb-01' },
        says: 'lb-01 has 90% of the connections that it can have (https)',
      },
    ],
  },
]
