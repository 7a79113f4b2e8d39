import type { AlertCases } from './case.ts'

const interval = '1m'

export const loadCases: AlertCases = {
  DiskFull: [
    {
      series: {
        'node_filesystem_avail_bytes{host="web-01",mountpoint="/"}': '10x4 5x5 10x20',
        'node_filesystem_size_bytes{host="web-01",mountpoint="/"}': '100x30',
      },
      silentAt: ['65s', '140s'],
      firingAt: ['70s', '135s'],
      labels: { host: 'web-01', mountpoint: '/' },
      summary: '/ on web-01 has only 5% free',
    },
    // A read-only file system, or one without a size, raises no alert.
    {
      series: {
        'node_filesystem_avail_bytes{host="web-01",mountpoint="/"}': '0x30',
        'node_filesystem_size_bytes{host="web-01",mountpoint="/"}': '100x30',
        'node_filesystem_readonly{host="web-01",mountpoint="/"}': '1x30',
        'node_filesystem_avail_bytes{host="web-01",mountpoint="/x"}': '0x30',
        'node_filesystem_size_bytes{host="web-01",mountpoint="/x"}': '0x30',
      },
      silentAt: '180s',
    },
  ],
  DiskFillsUp: [
    {
      interval: '2m',
      series: {
        'node_filesystem_avail_bytes{host="web-01",mountpoint="/"}': '40000-80x250',
        'node_filesystem_size_bytes{host="web-01",mountpoint="/"}': '100000x250',
      },
      isLong: true,
      silentAt: '329m',
      firingAt: '330m',
      labels: { host: 'web-01', mountpoint: '/' },
      summary: '/ on web-01 will be full within 24 hours at the rate of the last six hours',
    },
    // Half of it is free, it was mounted an hour ago, or it cannot be written.
    ...['100000-80x250', '_x150 40000-80x40', '40000-80x250'].map((values, i) => ({
      ...{ interval: '2m', isLong: true },
      series: {
        'node_filesystem_avail_bytes{host="web-01",mountpoint="/"}': values,
        'node_filesystem_size_bytes{host="web-01",mountpoint="/"}': '100000x250',
        ...(i === 2 && { 'node_filesystem_readonly{host="web-01",mountpoint="/"}': '1x250' }),
      },
      silentAt: '370m',
    })),
  ],
  MemoryLow: [
    {
      series: {
        'node_memory_MemAvailable_bytes{host="web-01"}': '50x4 49x20',
        'node_memory_MemTotal_bytes{host="web-01"}': '1000x30',
      },
      silentAt: '105s',
      firingAt: '110s',
      labels: { host: 'web-01' },
      summary: 'web-01 has only 4.9% of its memory available',
    },
  ],
  OomKill: [
    {
      interval,
      series: { 'provision_unit_oom_kills_total{host="web-01",unit="nginx.service"}': '0x5 1x10' },
      silentAt: '355s',
      firingAt: '360s',
      labels: { host: 'web-01', unit: 'nginx.service' },
      summary: 'web-01 ran out of memory and the kernel killed nginx.service',
    },
    {
      interval,
      series: { 'node_vmstat_oom_kill{host="web-01"}': '7x5 8x30' },
      silentAt: ['355s', '16m'],
      firingAt: ['360s', '14m'],
      labels: { host: 'web-01', unit: 'some process' },
      summary: 'web-01 ran out of memory and the kernel killed some process',
    },
  ],
  CpuStolen: [
    {
      interval,
      series: { 'node_cpu_seconds_total{mode="steal",cpu="0",host="web-01"}': '0+30x30' },
      isLong: true,
      silentAt: '12m',
      firingAt: '13m',
      labels: { host: 'web-01' },
      summary: 'the hypervisor withholds 50% of the CPU time of web-01',
    },
    { interval, series: { 'node_cpu_seconds_total{mode="steal",cpu="0",host="web-01"}': '0+11x30' }, isLong: true, silentAt: '20m' },
  ],
  ClockWrong: [
    {
      interval: '10s',
      series: { 'node_time_seconds{job="node",host="web-01"}': '-2+10x30' },
      silentAt: '55s',
      firingAt: '60s',
      labels: { job: 'node', host: 'web-01' },
      summary: 'the clock of web-01 is off by 2 s',
    },
    { interval: '10s', series: { 'node_time_seconds{job="node",host="web-01"}': '1+10x30' }, silentAt: '120s' },
  ],
  UnitFailed: [
    {
      series: { 'node_systemd_unit_state{state="failed",name="cron.service",host="web-01"}': '0x4 1x20' },
      silentAt: '85s',
      firingAt: '90s',
      labels: { host: 'web-01', state: 'failed', name: 'cron.service' },
      summary: 'cron.service failed on web-01',
    },
    // This one has a separate alert.
    {
      series: { 'node_systemd_unit_state{state="failed",name="provision-database-backup.service",host="web-01"}': '1x30' },
      silentAt: '180s',
    },
  ],
  RebootNeeded: [
    {
      interval,
      series: { 'provision_reboot_required{host="web-01"}': '1x100' },
      isLong: true,
      silentAt: '59m',
      firingAt: '60m',
      labels: { host: 'web-01' },
      summary: 'web-01 needs a reboot to complete its updates',
    },
  ],
}
