import { type AlertCases, outage } from './case.ts'

const own = { host: 'web-01', check: 'queue' }
const series = (name: string, values: string) => ({ [`${name}{host="web-01",check="queue"}`]: values })
const DECLARED = { 'provision_check_declared{host="web-01",check="queue",severity="critical",summary="orders wait"}': '1x99' }
const declared = { ...own, severity: 'critical', summary: 'orders wait' }
const stale = { labels: { ...declared, severity: 'warning' }, summary: 'the check queue does not run on web-01' }

export const checkCases: AlertCases = {
  CheckFailed: [
    {
      series: { ...DECLARED, ...series('provision_check_ok', '1x4 0x4 1x9') },
      silentAt: ['45s', '100s'],
      firingAt: '50s',
      labels: declared,
      summary: 'orders wait (check queue on web-01)',
    },
    // The result of a check that was removed stays on the host.
    { series: series('provision_check_ok', '0x9'), silentAt: '60s' },
  ],
  CheckStale: [
    {
      // It is overdue after 200 seconds.
      series: { ...DECLARED, ...series('provision_check_due_seconds', '200x99') },
      ...{ silentAt: ['190s', '315s'], firingAt: '320s', ...stale },
    },
    { series: DECLARED, silentAt: '115s', firingAt: '120s', ...stale },
    { series: series('provision_check_due_seconds', '20x99'), silentAt: '300s' },
  ],
  TargetDown: [
    {
      series: { 'up{job="cdn",host="elsewhere",instance="cdn.test"}': '1x4 0x20' },
      silentAt: '105s',
      firingAt: '110s',
      labels: { job: 'cdn', host: 'elsewhere', instance: 'cdn.test' },
      summary: 'the measurements of cdn at cdn.test cannot be read',
    },
    ...['site', 'service'].map((job) => ({ series: { [`up{job="${job}",host="elsewhere"}`]: '0x20' }, silentAt: '180s' })),
    { series: { 'up{job="mysql",host="web-01"}': '0x20' }, silentAt: '180s' },
  ],
  RemoteWriteBehind: [
    {
      series: {
        'prometheus_remote_storage_highest_timestamp_in_seconds{host="lb-01",job="prometheus"}': '0+10x120',
        'prometheus_remote_storage_queue_highest_sent_timestamp_seconds{host="lb-01",job="prometheus",remote_name="a",url="https://x.test/"}':
          '0+10x10 100x110',
        'prometheus_remote_storage_queue_highest_sent_timestamp_seconds{host="lb-01",job="prometheus",remote_name="b",url="https://y.test/"}':
          '0+10x120',
      },
      silentAt: '705s',
      firingAt: '710s',
      labels: { host: 'lb-01', url: 'https://x.test/' },
      summary: 'measurements reach https://x.test/ 10m 10s late from lb-01, or not at all',
    },
  ],
  ServiceDown: [
    outage(
      'probe_success{job="service",host="web-01",instance="web-01:6379"}',
      20,
      { job: 'service', host: 'web-01', instance: 'web-01:6379' },
      'web-01:6379 does not answer a probe',
    ),
    { series: { 'probe_success{job="site",host="web-01"}': '0x20' }, silentAt: '180s' },
  ],
}
