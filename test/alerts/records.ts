import type { RecordCase, RecordCases } from './case.ts'

const counted = (...series: readonly string[]) => Object.fromEntries(series.map((name, i) => [name, `0+${100 * (i + 1)}x30`]))
/** Commands of a database: 10 a second of the first, 20 of the second, and so on. */
const commands = (...names: readonly string[]) =>
  counted(...names.map((name) => `mysql_global_status_commands_total{host="web-01",command="${name}"}`))
const responses = (proxy: string, server: string, host = 'lb-01') =>
  `haproxy_server_http_responses_total{proxy="${proxy}",code="2xx",server="${server}",host="${host}"}`
const average = (proxy: string, server: string, host = 'lb-01') =>
  `haproxy_server_response_time_average_seconds{proxy="${proxy}",server="${server}",host="${host}"}`
/** Half of the requests take up to one second, the others up to two. */
const histogram = Object.fromEntries(
  ['1', '2', '+Inf'].map((le, i) => [`provision_site_response_seconds_bucket{host="lb-01",le="${le}"}`, `0+${i === 0 ? 100 : 200}x60`]),
)
const requests = counted(
  ...['proxy="https",host="lb-01"', 'proxy="https",host="lb-02"', 'proxy="http",host="lb-01"'].map(
    (labels) => `haproxy_frontend_http_requests_total{${labels}}`,
  ),
)
const probes = { interval: '1m', series: { 'probe_duration_seconds{job="site",instance="www"}': '1 2 3 4 5 6' }, at: '330s' }
const www = '{job="site",instance="www"}'

const alert = (name: string, labels: string, state = 'firing') => `ALERTS{alertname="${name}",alertstate="${state}",${labels}}`

export const recordCases: RecordCases = {
  'alert:causes': {
    series: {
      [alert('NginxDown', 'severity="critical",host="web-01"')]: '1x30',
      [alert('UnitFailed', 'severity="warning",host="web-01",name="nginx.service"')]: '1x30',
      [alert('UnitFailed', 'severity="warning",host="web-02",name="cron.service"')]: '1x30',
      [alert('HostDown', 'severity="critical",host="web-03"')]: '1x30',
      [alert('NginxDown', 'severity="critical",host="web-03"')]: '1x30',
      [alert('NginxDown', 'severity="critical",host="web-04"', 'pending')]: '1x30',
      [alert('SshdChanged', 'severity="critical",host="web-04"')]: '1x30',
      [alert('Watchdog', 'severity="none"')]: '1x30',
    },
    at: '1m',
    values: {
      '{alertname="NginxDown",alertstate="firing",severity="critical",host="web-01"}': 1,
      '{alertname="UnitFailed",alertstate="firing",severity="warning",host="web-02",name="cron.service"}': 1,
      '{alertname="HostDown",alertstate="firing",severity="critical",host="web-03"}': 1,
      '{alertname="SshdChanged",alertstate="firing",severity="critical",host="web-04"}': 1,
    },
  },
  'alert:began_seconds': {
    series: {
      'ALERTS_FOR_STATE{alertname="NginxDown",severity="critical",host="web-01"}': '70x30',
      'ALERTS_FOR_STATE{alertname="NginxDown",severity="critical",host="web-02"}': '80x30',
      'ALERTS_FOR_STATE{alertname="Watchdog",severity="none"}': '1x30',
      [alert('NginxDown', 'severity="critical",host="web-01"')]: '1x30',
      [alert('NginxDown', 'severity="critical",host="web-02"', 'pending')]: '1x30',
      [alert('Watchdog', 'severity="none"')]: '1x30',
    },
    at: '1m',
    values: { '{alertname="NginxDown",severity="critical",host="web-01"}': 70 },
  },
  'probe:up': {
    // One of two balancers answers half of the probes.
    series: {
      'probe_success{job="site",instance="www",host="lb-01"}': '1x90',
      'probe_success{job="site",instance="www",host="lb-02"}': '0.5x90',
      'probe_success{job="direct",instance="web-01",host="web-01"}': '0x90',
    },
    at: '10m',
    values: { '{instance="www"}': 0.75 },
  },
  ...Object.fromEntries(
    [30, 90].flatMap((days): readonly [string, RecordCase][] => {
      const day = { interval: '5m', series: { 'probe:up{instance="www"}': '1x5 0x2' }, at: '35m' }
      return [
        [`probe:up:days${days}`, { ...day, values: { '{instance="www"}': 0.75 } }],
        [`probe:known:days${days}`, { ...day, values: { '{instance="www"}': 0.028 } }],
      ]
    }),
  ),
  ...Object.fromEntries(
    ['receive', 'transmit'].map((way): [string, RecordCase] => [
      `host:network_${way}_bytes`,
      {
        series: counted(...['eth0', 'eth1'].map((device) => `node_network_${way}_bytes_total{host="web-01",device="${device}"}`)),
        at: '2m',
        values: { '{host="web-01"}': 30 },
      },
    ]),
  ),
  'frontend:qps': { series: requests, at: '2m', values: { '{host="lb-01",proxy="https"}': 10, '{host="lb-02",proxy="https"}': 20 } },
  'site:qps': { series: requests, at: '2m', values: { '{}': 30 } },
  'web:qps': {
    series: counted('nginx_http_requests_total{host="web-01"}', 'nginx_http_requests_total{host="web-02"}'),
    at: '2m',
    values: { '{host="web-01"}': 10, '{host="web-02"}': 20 },
  },
  'site:error_ratio': {
    series: {
      ...counted(
        ...['code="5xx",proxy="https"', 'code="2xx",proxy="https"', 'code="5xx",proxy="http"'].flatMap((labels) =>
          ['lb-01', 'lb-02'].map((host) => `haproxy_frontend_http_responses_total{${labels},host="${host}"}`),
        ),
      ),
      'haproxy_backend_http_responses_total{code="5xx",proxy="maintenance-300",host="lb-01"}': '0+100x30',
    },
    at: '2m',
    values: { '{}': 0.2 },
  },
  'server:response_seconds': {
    // An average of 3 seconds for 10 responses, and of 6 for 20; `itself` connects a section of the balancer to another.
    series: {
      ...counted(responses('web', 'web-02'), responses('web.once', 'web-02'), responses('web', 'itself')),
      ...{ [average('web', 'web-02')]: '3x30', [average('web.once', 'web-02')]: '6x30', [average('web', 'itself')]: '9x30' },
    },
    at: '2m',
    values: { '{backend="web",server="web-02",host="web-02"}': 5 },
  },
  'server:qps': {
    series: counted(responses('web', 'web-02'), responses('web.once', 'web-02'), responses('web', 'web-02', 'lb-02'), responses('web', '')),
    at: '2m',
    values: { '{backend="web",server="web-02",host="web-02"}': 60 },
  },
  'probe:seconds:p50': { ...probes, values: { [www]: 4 } },
  'probe:seconds:p95': { ...probes, values: { [www]: 5.8 } },
  'probe:seconds:p99': { ...probes, values: { [www]: 5.96 } },
  'frontend:saturation': {
    series: {
      'haproxy_frontend_current_sessions{proxy="https",host="lb-01"}': '5x30',
      'haproxy_frontend_limit_sessions{proxy="https",host="lb-01"}': '20x30',
    },
    at: '1m',
    values: { '{proxy="https",host="lb-01"}': 0.25 },
  },
  'site:response_seconds:p50': { series: histogram, at: '5m', values: { '{}': 1 } },
  'site:response_seconds:p95': { series: histogram, at: '5m', values: { '{}': 1.9 } },
  'site:response_seconds:p99': { series: histogram, at: '5m', values: { '{}': 1.98 } },
  // Before there is a day or a week to compare with: the last hour, without the last ten minutes.
  'site:qps:usual': {
    interval: '1m',
    series: { 'site:qps': '5x9 9x10' },
    at: '19m',
    values: { '{}': 5 },
  },
  'host:cpu_busy': {
    series: {
      'node_cpu_seconds_total{mode="idle",cpu="0",host="web-01"}': '0+5x30',
      'node_cpu_seconds_total{mode="idle",cpu="1",host="web-01"}': '0+10x30',
      'node_cpu_seconds_total{mode="user",cpu="0",host="web-01"}': '0+5x30',
    },
    at: '2m',
    values: { '{host="web-01"}': 0.25 },
  },
  'host:memory_free': {
    series: { 'node_memory_MemAvailable_bytes{host="web-01"}': '30x9', 'node_memory_MemTotal_bytes{host="web-01"}': '40x9' },
    at: '1m',
    values: { '{host="web-01"}': 0.75 },
  },
  'host:disk_free': {
    series: {
      'node_filesystem_avail_bytes{host="web-01",mountpoint="/"}': '30x9',
      'node_filesystem_size_bytes{host="web-01",mountpoint="/"}': '40x9',
      'node_filesystem_avail_bytes{host="web-01",mountpoint="/var"}': '10x9',
      'node_filesystem_size_bytes{host="web-01",mountpoint="/var"}': '40x9',
      'node_filesystem_avail_bytes{host="web-01",mountpoint="/x"}': '0x9',
      'node_filesystem_size_bytes{host="web-01",mountpoint="/x"}': '0x9',
    },
    at: '1m',
    values: { '{host="web-01"}': 0.25 },
  },
  'unit:cpu_cores': {
    series: { 'provision_unit_cpu_seconds_total{host="web-01",unit="nginx.service"}': '0+5x30' },
    at: '4m',
    values: { '{host="web-01",unit="nginx.service"}': 0.5 },
  },
  'unit:io_bytes': {
    series: { 'provision_unit_io_bytes_total{host="web-01",unit="nginx.service"}': '0+10240x30' },
    at: '4m',
    values: { '{host="web-01",unit="nginx.service"}': 1024 },
  },
  'database:qps': { series: counted('mysql_global_status_questions{host="web-01"}'), at: '2m', values: { '{host="web-01"}': 10 } },
  'database:reads': { series: commands('select', 'insert', 'commit'), at: '2m', values: { '{host="web-01"}': 10 } },
  'database:writes': {
    series: commands(
      ...['commit', 'insert', 'insert_select', 'update', 'update_multi', 'delete', 'delete_multi', 'replace', 'replace_select', 'select'],
    ),
    at: '2m',
    values: { '{host="web-01"}': 440 },
  },
  'database:saturation': {
    series: {
      'mysql_global_status_threads_connected{host="web-01"}': '5x9',
      'mysql_global_variables_max_connections{host="web-01"}': '20x9',
    },
    at: '1m',
    values: { '{host="web-01"}': 0.25 },
  },
}
