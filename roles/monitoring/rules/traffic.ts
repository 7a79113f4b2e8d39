import { PERCENT, SECONDS } from './format.ts'
import type { Alert, Numbers, Recorded } from './rule.ts'

/** Response times by percentile, and the usual traffic: the same hour a week ago, else a day ago, else the last hour. */
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
    summary: `{{ $labels.instance }} is slow: 5% of probes take {{ $value | ${SECONDS} }} or longer`,
  },
  {
    alert: 'VisitorsWait',
    expr: `site:response_seconds:p95 > ${limits.slow_seconds} and site:qps > ${limits.least_qps}`,
    for: 120,
    severity: 'warning',
    summary: `visitors wait: 5% of responses take {{ $value | ${SECONDS} }} or longer`,
  },
  {
    alert: 'ServersSlow',
    expr: `server:response_seconds > ${limits.slow_seconds}`,
    for: 60,
    severity: 'warning',
    summary: `{{ $labels.host }} is slow: its responses in {{ $labels.backend }} take {{ $value | ${SECONDS} }} on average`,
  },
  {
    alert: 'ErrorRatio',
    expr: `site:error_ratio > ${limits.error_ratio} and site:qps > ${limits.least_qps}`,
    for: 30,
    severity: 'critical',
    summary: `{{ $value | ${PERCENT} }} of all responses are server errors`,
  },
  {
    alert: 'QpsCollapse',
    expr: `site:qps < ${limits.collapse} * site:qps:usual and site:qps:usual > ${limits.least_qps}`,
    for: 60,
    severity: 'warning',
    summary: 'traffic collapsed: {{ $value | printf "%.1f" }} requests per second, far below the usual rate',
  },
  {
    alert: 'QpsSurge',
    expr: `site:qps > ${limits.surge} * site:qps:usual and site:qps > ${10 * limits.least_qps}`,
    for: 60,
    severity: 'warning',
    summary: 'traffic surged: {{ $value | printf "%.0f" }} requests per second, far above the usual rate',
  },
  {
    alert: 'BalancerFull',
    expr: `frontend:saturation > ${limits.balancer_connections}`,
    for: 30,
    severity: 'critical',
    summary: `{{ $labels.host }} uses {{ $value | ${PERCENT} }} of its connection limit ({{ $labels.proxy }})`,
  },
]
