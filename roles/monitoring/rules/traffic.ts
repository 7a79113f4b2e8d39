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
  },
  {
    alert: 'VisitorsWait',
    expr: `site:response_seconds:p95 > ${limits.slow_seconds} and site:qps > ${limits.least_qps}`,
    for: 120,
    severity: 'warning',
    summary: 'visitors wait: one answer in twenty takes {{ $value | humanizeDuration }} or longer',
  },
  {
    alert: 'ServersSlow',
    expr: `server:response_seconds > ${limits.slow_seconds}`,
    for: 60,
    severity: 'warning',
    summary: '{{ $labels.host }} takes {{ $value | humanizeDuration }} for an answer in {{ $labels.backend }}',
  },
  {
    alert: 'ErrorRatio',
    expr: `site:error_ratio > ${limits.error_ratio} and site:qps > ${limits.least_qps}`,
    for: 30,
    severity: 'critical',
    summary: '{{ $value | humanizePercentage }} of all answers are errors of the server',
  },
  {
    alert: 'QpsCollapse',
    expr: `site:qps < ${limits.collapse} * site:qps:usual and site:qps:usual > ${limits.least_qps}`,
    for: 60,
    severity: 'warning',
    summary: 'hardly anybody comes: {{ $value | printf "%.1f" }} requests a second, where there usually are more',
  },
  {
    alert: 'QpsSurge',
    expr: `site:qps > ${limits.surge} * site:qps:usual and site:qps > ${10 * limits.least_qps}`,
    for: 60,
    severity: 'warning',
    summary: 'many more come than usually: {{ $value | printf "%.0f" }} requests a second',
  },
  {
    alert: 'BalancerFull',
    expr: 'frontend:saturation > 0.8',
    for: 30,
    severity: 'critical',
    summary: '{{ $labels.host }} has {{ $value | humanizePercentage }} of the connections that it can have ({{ $labels.proxy }})',
  },
]
