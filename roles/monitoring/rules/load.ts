import { PERCENT, SECONDS } from './format.ts'
import { type Alert, KEEP, type Numbers, type Recorded } from './rule.ts'

/** Use of CPU, memory and disk, per host and per unit. */
export const loadRecords = ({ window }: Numbers): readonly Recorded[] => [
  { record: 'host:cpu_busy', expr: `1 - avg by (host) (rate(node_cpu_seconds_total{mode="idle"}[${window}]))` },
  { record: 'host:memory_free', expr: 'node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes' },
  { record: 'host:disk_free', expr: 'min by (host) (node_filesystem_avail_bytes / (node_filesystem_size_bytes > 0))' },
  ...(['receive', 'transmit'] as const).map((way) => ({
    record: `host:network_${way}_bytes`,
    expr: `sum by (host) (rate(node_network_${way}_bytes_total[${window}]))`,
  })),
  // The checks of a host produce these less often than measurements are taken, hence the longer range.
  { record: 'unit:cpu_cores', expr: 'sum by (host, unit) (rate(provision_unit_cpu_seconds_total[3m]))' },
  { record: 'unit:io_bytes', expr: 'sum by (host, unit) (rate(provision_unit_io_bytes_total[3m]))' },
]

export const loadAlerts = ({ limits }: Numbers): readonly Alert[] => [
  {
    alert: 'DiskFull',
    expr: `node_filesystem_avail_bytes / (node_filesystem_size_bytes > 0) < ${limits.disk_free} unless node_filesystem_readonly == 1`,
    for: 20,
    keep: KEEP,
    severity: 'critical',
    summary: `{{ $labels.mountpoint }} on {{ $labels.host }} has only {{ $value | ${PERCENT} }} free`,
  },
  {
    alert: 'DiskFillsUp',
    // A file system without data from five hours ago belongs to a host that was just installed.
    expr: `predict_linear(node_filesystem_avail_bytes[6h], ${limits.disk_full_hours * 3600}) < 0 and node_filesystem_avail_bytes / (node_filesystem_size_bytes > 0) < 0.5 and node_filesystem_avail_bytes offset 5h > 0 unless node_filesystem_readonly == 1`,
    for: 1800,
    severity: 'warning',
    summary: `{{ $labels.mountpoint }} on {{ $labels.host }} will be full within ${limits.disk_full_hours} hours at the rate of the last six hours`,
  },
  {
    alert: 'MemoryLow',
    expr: `host:memory_free < ${limits.memory_free}`,
    for: 60,
    severity: 'critical',
    summary: `{{ $labels.host }} has only {{ $value | ${PERCENT} }} of its memory available`,
  },
  {
    alert: 'OomKill',
    expr: 'increase(provision_unit_oom_kills_total[10m]) > 0 or label_replace(increase(node_vmstat_oom_kill[10m]) > 0, "unit", "some process", "", "")',
    severity: 'warning',
    summary: '{{ $labels.host }} ran out of memory and the kernel killed {{ $labels.unit }}',
  },
  {
    alert: 'CpuStolen',
    expr: `avg by (host) (rate(node_cpu_seconds_total{mode="steal"}[5m])) > ${limits.cpu_steal}`,
    for: 600,
    severity: 'warning',
    summary: `the hypervisor withholds {{ $value | ${PERCENT} }} of the CPU time of {{ $labels.host }}`,
  },
  {
    alert: 'ClockWrong',
    expr: `abs(node_time_seconds - timestamp(node_time_seconds)) > ${limits.clock_seconds}`,
    for: 60,
    severity: 'warning',
    summary: `the clock of {{ $labels.host }} is off by {{ $value | ${SECONDS} }}`,
  },
  {
    alert: 'UnitFailed',
    // A failed backup has a separate alert.
    expr: 'node_systemd_unit_state{state="failed",name!="provision-database-backup.service"} == 1',
    for: 40,
    severity: 'warning',
    summary: '{{ $labels.name }} failed on {{ $labels.host }}',
  },
  {
    alert: 'RebootNeeded',
    expr: 'provision_reboot_required == 1',
    for: Math.round(3600 * limits.reboot_hours),
    severity: 'warning',
    summary: '{{ $labels.host }} needs a reboot to complete its updates',
  },
]
