import { type Alert, byServer, KEEP, listed, type Numbers, type Recorded } from './rule.ts'

/** Merges a section with its twin for requests that must not be repeated (`web` and `web.once`), because both use the same servers. */
const asOne = (how: 'sum' | 'max', expr: string): string =>
  `${how} by (backend, server) (label_replace(${expr}, "backend", "$1", "proxy", "(.+?)([.]once)?"))`

/** Responses per second by server and section. The server `itself` is excluded: it connects one section of the balancer to another. */
const answered = (window: string): string =>
  `sum by (host, proxy, server) (rate(haproxy_server_http_responses_total{server!~"|itself"}[${window}]))`

/** Request rates, error ratio, response times and saturation of balancers and web servers. */
export const webRecords = ({ window }: Numbers): readonly Recorded[] => [
  { record: 'frontend:qps', expr: `sum by (host, proxy) (rate(haproxy_frontend_http_requests_total{proxy="https"}[${window}]))` },
  { record: 'site:qps', expr: 'sum(frontend:qps)' },
  { record: 'web:qps', expr: `sum by (host) (rate(nginx_http_requests_total[${window}]))` },
  {
    record: 'site:error_ratio',
    // The page of a site in maintenance is no error.
    expr: `(sum(rate(haproxy_frontend_http_responses_total{proxy="https",code="5xx"}[${window}])) - (sum(rate(haproxy_backend_http_responses_total{proxy=~"maintenance-.*",code="5xx"}[${window}])) or vector(0))) / (sum(rate(haproxy_frontend_http_responses_total{proxy="https"}[${window}])) > 0)`,
  },
  {
    record: 'server:response_seconds',
    // Each section reports its own average, so the averages are weighted by the number of responses.
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

/** Parts of the path of a request that are down, and the hosts: causes of an alert about a site. */
const DOWN = [
  listed('; down are the hosts', 'up{job="node"} == 0 unless on (host) probe_success{job="ping"} == 1'),
  listed('; HAProxy is down on', 'up{job="haproxy"} == 0'),
  listed('; nginx is down on', 'nginx_up == 0'),
  listed('; the database is down on', 'mysql_up == 0'),
]

export const webAlerts = (): readonly Alert[] => [
  {
    alert: 'SiteDown',
    expr: 'probe_success{job="site"} == 0',
    for: 20,
    keep: KEEP,
    severity: 'critical',
    summary: `{{ $labels.instance }} does not answer visitors{{ if ne $labels.host "elsewhere" }} (probed through {{ $labels.host }}){{ end }}${DOWN.join('')}`,
  },
  {
    alert: 'HaproxyDown',
    expr: 'up{job="haproxy"} == 0',
    for: 10,
    keep: KEEP,
    severity: 'critical',
    summary: 'HAProxy on {{ $labels.host }} is down',
  },
  {
    alert: 'NginxDown',
    expr: 'nginx_up == 0',
    for: 10,
    keep: KEEP,
    severity: 'critical',
    summary: 'nginx on {{ $labels.host }} is down',
  },
  {
    alert: 'WebServerDown',
    expr: 'probe_success{job="direct"} == 0',
    for: 40,
    severity: 'critical',
    summary: '{{ $labels.host }} does not serve the site when probed directly',
  },
  {
    alert: 'BackendServerDown',
    expr: byServer(`${asOne('max', 'haproxy_server_status{state="DOWN"}')} == 1`),
    for: 50,
    severity: 'critical',
    summary: 'the balancers removed {{ $labels.server }} from {{ $labels.backend }}: it fails their health checks',
  },
]
