import type { AlertCases } from './case.ts'

const interval = '1m'

export const loadCases: AlertCases = {
  DiskFull: [
    {
      series: {
        'node_filesystem_avail_bytes{host="web-01",mountpoint="/"}': '50x4 5x20',
        'node_filesystem_size_bytes{host="web-01",mountpoint="/"}': '100x30',
      },
      silentAt: '50s',
      firingAt: '80s',
      labels: { host: 'web-01', mountpoint: '/' },
      summary: '/ on web-01 has only 5% free',
    },
  ],
  DiskFillsUp: [
    {
      interval: '2m',
      series: {
        'node_filesystem_avail_bytes{host="web-01",mountpoint="/"}': '40000-80x250',
        'node_filesystem_size_bytes{host="web-01",mountpoint="/"}': '100000x250',
      },
      firingAt: '420m',
      labels: { host: 'web-01', mountpoint: '/' },
      summary: '/ on web-01 will be full within a day at the rate of the last six hours',
    },
  ],
  MemoryLow: [
    {
      series: {
        'node_memory_MemAvailable_bytes{host="web-01"}': '500x4 30x20',
        'node_memory_MemTotal_bytes{host="web-01"}': '1000x30',
      },
      silentAt: '90s',
      firingAt: '120s',
      labels: { host: 'web-01' },
      summary: 'web-01 has only 3% of its memory available',
    },
  ],
  OomKill: [
    {
      interval,
      series: { 'provision_unit_oom_kills_total{host="web-01",unit="nginx.service"}': '0x5 1x10' },
      silentAt: '4m',
      firingAt: '8m',
      labels: { host: 'web-01', unit: 'nginx.service' },
      summary: 'web-01 ran out of memory and the kernel killed nginx.service',
    },
  ],
  CpuStolen: [
    {
      interval,
      series: { 'node_cpu_seconds_total{mode="steal",cpu="0",host="web-01"}': '0+30x30' },
      silentAt: '5m',
      firingAt: '20m',
      labels: { host: 'web-01' },
      summary: 'the hypervisor withholds 50% of the CPU time of web-01',
    },
  ],
  ClockWrong: [
    {
      interval: '10s',
      series: { 'node_time_seconds{job="node",host="web-01"}': '30+10x30' },
      silentAt: '50s',
      firingAt: '120s',
      labels: { job: 'node', host: 'web-01' },
      summary: 'the clock of web-01 is off by 30s',
    },
  ],
  UnitFailed: [
    {
      series: { 'node_systemd_unit_state{state="failed",name="cron.service",host="web-01"}': '0x4 1x20' },
      silentAt: '70s',
      firingAt: '100s',
      labels: { host: 'web-01', state: 'failed', name: 'cron.service' },
      summary: 'cron.service failed on web-01',
    },
  ],
  RebootNeeded: [
    {
      interval,
      series: { 'provision_reboot_required{host="web-01"}': '1x100' },
      silentAt: '50m',
      firingAt: '70m',
      labels: { host: 'web-01' },
      summary: 'web-01 needs a reboot to complete its updates',
    },
  ],
}
