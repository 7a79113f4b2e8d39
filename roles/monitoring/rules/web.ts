import { type Alert, byServer, KEEP, type Numbers, type Recorded } from './rule.ts'

/** What changes something goes to the same servers by a section of its own, which is named after theirs: `web.once`. They count as one. */
const asOne = (how: 'sum' | 'max', expr: string): string =>
  `${how} by (backend, server) (label_replace(${expr}, "backend", "$1", "proxy", "(.+?)([.]once)?"))`

/** Answers a second that each server gave each section; `itself` is the balancer's way from one of its sections to another. */
const answered = (window: string): string =>
  `sum by (host, proxy, server) (rate(haproxy_server_http_responses_total{server!~"|itself"}[${window}]))`

/** How much goes through balancers and web servers, how fast, and how full they are. */
export const webRecords = ({ window }: Numbers): readonly Recorded[] => [
  { record: 'frontend:qps', expr: `sum by (host, proxy) (rate(haproxy_frontend_http_requests_total{proxy="https"}[${window}]))` },
  { record: 'site:qps', expr: 'sum(frontend:qps)' },
  { record: 'web:qps', expr: `sum by (host) (rate(nginx_http_requests_total[${window}]))` },
  {
    record: 'site:error_ratio',
    expr: `sum(rate(haproxy_frontend_http_responses_total{proxy="https",code="5xx"}[${window}])) / (sum(rate(haproxy_frontend_http_responses_total{proxy="https"}[${window}])) > 0)`,
  },
  {
    record: 'server:response_seconds',
    // Each section knows its own average only: it counts as much as was answered there.
    expr: byServer(
      `${asOne('sum', `(haproxy_server_response_time_average_seconds * on (host, proxy, server) ${answered(window)})`)} / (${asOne('sum', answered(window))} > 0)`,
    ),
  },
  { record: 'server:qps', expr: byServer(asOne('sum', answered(window))) },
  { record: 'probe:seconds:p50', expr: 'quantile_over_time(0.5, probe_duration_seconds{job="site"}[5m])' },
  { record: 'probe:seconds:p95', expr: 'quantile_over_time(0.95, probe_duration_seconds{job="site"}[5m])' },
  { record: 'probe:seconds:p99', expr: 'quantile_over_time(0.99, probe_duration_seconds{job="site"}[5m])' },
  { record: 'frontend:saturation', expr: 'max by (host, proxy) (haproxy_frontend_current_sessions / haproxy_frontend_limit_sessions)' },
]

export const webAlerts = (): readonly Alert[] => [
  {
    alert: 'SiteDown',
    expr: 'probe_success{job="site"} == 0',
    for: 20,
    keep: KEEP,
    severity: 'critical',
    summary: '{{ $labels.instance }} does not answer visitors (asked through {{ $labels.host }})',
  },
  {
    alert: 'HaproxyDown',
    expr: 'up{job="haproxy"} == 0',
    for: 10,
    keep: KEEP,
    severity: 'critical',
    summary: 'the load balancer HAProxy on {{ $labels.host }} is down',
  },
  {
    alert: 'NginxDown',
    expr: 'nginx_up == 0',
    for: 10,
    keep: KEEP,
    severity: 'critical',
    summary: 'the web server nginx on {{ $labels.host }} is down',
  },
  {
    alert: 'WebServerDown',
    expr: 'probe_success{job="direct"} == 0',
    for: 40,
    severity: 'critical',
    summary: '{{ $labels.host }} does not serve the site when it is asked directly',
  },
  {
    alert: 'BackendServerDown',
    expr: byServer(`${asOne('max', 'haproxy_server_status{state="DOWN"}')} == 1`),
    for: 50,
    severity: 'critical',
    summary: 'the balancers took {{ $labels.server }} out of {{ $labels.backend }}: it fails its health checks',
  },
]
