import { type Alert, KEEP, type Numbers, type Recorded } from './rule.ts'

/** How full hosts are, and who fills them. */
export const loadRecords = ({ window }: Numbers): readonly Recorded[] => [
  { record: 'host:cpu_busy', expr: `1 - avg by (host) (rate(node_cpu_seconds_total{mode="idle"}[${window}]))` },
  { record: 'host:memory_free', expr: 'node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes' },
  { record: 'host:disk_free', expr: 'min by (host) (node_filesystem_avail_bytes / (node_filesystem_size_bytes > 0))' },
  // The checks of a host write these down, which is seldomer than measurements are taken.
  { record: 'unit:cpu_cores', expr: 'sum by (host, unit) (rate(provision_unit_cpu_seconds_total[3m]))' },
  { record: 'unit:io_bytes', expr: 'sum by (host, unit) (rate(provision_unit_io_bytes_total[3m]))' },
]

const every = '1m'

export const loadAlerts = ({ limits }: Numbers): readonly Alert[] => [
  {
    alert: 'DiskFull',
    expr: `node_filesystem_avail_bytes / (node_filesystem_size_bytes > 0) < ${limits.disk_free} unless node_filesystem_readonly == 1`,
    for: 20,
    keep: KEEP,
    severity: 'critical',
    summary: '{{ $labels.mountpoint }} on {{ $labels.host }} has only {{ $value | humanizePercentage }} left',
    cases: [
      {
        series: {
          'node_filesystem_avail_bytes{host="web-01",mountpoint="/"}': '50x4 5x20',
          'node_filesystem_size_bytes{host="web-01",mountpoint="/"}': '100x30',
        },
        quiet: '50s',
        at: '80s',
        labels: { host: 'web-01', mountpoint: '/' },
        says: '/ on web-01 has only 5% left',
      },
    ],
  },
  {
    alert: 'DiskFillsUp',
    // What has been there for a few hours only was just installed.
    expr: 'predict_linear(node_filesystem_avail_bytes[6h], 86400) < 0 and node_filesystem_avail_bytes / (node_filesystem_size_bytes > 0) < 0.5 and node_filesystem_avail_bytes offset 5h > 0 unless node_filesystem_readonly == 1',
    for: 1800,
    severity: 'warning',
    summary: '{{ $labels.mountpoint }} on {{ $labels.host }} will be full within a day, as it has been filling for six hours',
    cases: [
      {
        every: '2m',
        series: {
          'node_filesystem_avail_bytes{host="web-01",mountpoint="/"}': '40000-80x250',
          'node_filesystem_size_bytes{host="web-01",mountpoint="/"}': '100000x250',
        },
        at: '420m',
        labels: { host: 'web-01', mountpoint: '/' },
        says: '/ on web-01 will be full within a day, as it has been filling for six hours',
      },
    ],
  },
  {
    alert: 'MemoryLow',
    expr: `host:memory_free < ${limits.memory_free}`,
    for: 60,
    severity: 'critical',
    summary: '{{ $labels.host }} has only {{ $value | humanizePercentage }} of its memory left',
    cases: [
      {
        series: {
          'node_memory_MemAvailable_bytes{host="web-01"}': '500x4 30x20',
          'node_memory_MemTotal_bytes{host="web-01"}': '1000x30',
        },
        quiet: '90s',
        at: '120s',
        labels: { host: 'web-01' },
        says: 'web-01 has only 3% of its memory left',
      },
    ],
  },
  {
    alert: 'OomKill',
    expr: 'increase(provision_unit_oom_kills_total[10m]) > 0 or label_replace(increase(node_vmstat_oom_kill[10m]) > 0, "unit", "some process", "", "")',
    severity: 'warning',
    summary: '{{ $labels.host }} ran out of memory and the kernel killed {{ $labels.unit }}',
    cases: [
      {
        every,
        series: { 'provision_unit_oom_kills_total{host="web-01",unit="nginx.service"}': '0x5 1x10' },
        quiet: '4m',
        at: '8m',
        labels: { host: 'web-01', unit: 'nginx.service' },
        says: 'web-01 ran out of memory and the kernel killed nginx.service',
      },
    ],
  },
  {
    alert: 'CpuStolen',
    expr: `avg by (host) (rate(node_cpu_seconds_total{mode="steal"}[5m])) > ${limits.cpu_steal}`,
    for: 600,
    severity: 'warning',
    summary: '{{ $labels.host }} waits for its provider: {{ $value | humanizePercentage }} of its CPU time goes to others',
    cases: [
      {
        every,
        series: { 'node_cpu_seconds_total{mode="steal",cpu="0",host="web-01"}': '0+30x30' },
        quiet: '5m',
        at: '20m',
        labels: { host: 'web-01' },
        says: 'web-01 waits for its provider: 50% of its CPU time goes to others',
      },
    ],
  },
  {
    alert: 'ClockWrong',
    expr: `abs(node_time_seconds - timestamp(node_time_seconds)) > ${limits.clock_seconds}`,
    for: 60,
    severity: 'warning',
    summary: 'the clock of {{ $labels.host }} is wrong by {{ $value | humanizeDuration }}',
    cases: [
      {
        every: '10s',
        series: { 'node_time_seconds{job="node",host="web-01"}': '30+10x30' },
        quiet: '50s',
        at: '120s',
        labels: { job: 'node', host: 'web-01' },
        says: 'the clock of web-01 is wrong by 30s',
      },
    ],
  },
  {
    alert: 'UnitFailed',
    // Of a backup that failed, another alert says more.
    expr: 'node_systemd_unit_state{state="failed",name!="provision-database-backup.service"} == 1',
    for: 40,
    severity: 'warning',
    summary: '{{ $labels.name }} failed on {{ $labels.host }}',
    cases: [
      {
        series: { 'node_systemd_unit_state{state="failed",name="cron.service",host="web-01"}': '0x4 1x20' },
        quiet: '70s',
        at: '100s',
        labels: { host: 'web-01', state: 'failed', name: 'cron.service' },
        says: 'cron.service failed on web-01',
      },
    ],
  },
  {
    alert: 'RebootNeeded',
    expr: 'provision_reboot_required == 1',
    for: 3600,
    severity: 'warning',
    summary: '{{ $labels.host }} must be rebooted for its updates to count',
    cases: [
      {
        every,
        series: { 'provision_reboot_required{host="web-01"}': '1x100' },
        quiet: '50m',
        at: '70m',
        labels: { host: 'web-01' },
        says: 'web-01 must be rebooted for its updates to count',
      },
    ],
  },
]
