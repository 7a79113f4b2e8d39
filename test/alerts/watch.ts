import type { AlertCases } from './case.ts'

const series = (name: string, values: string, labels = '', host = 'mon-01') => ({
  [`${name}{host="${host}",watch="provision-watch-shop-1a2b3c"${labels}}`]: values,
})
const watch = { watch: 'provision-watch-shop-1a2b3c' }
const done = (values: string, host?: string) => series('provision_watch_done_seconds', values, '', host)
const resource = (name: string) => series('provision_watch_difference', '1x99', `,at="web-01",action="update",resource="${name}"`)

export const watchCases: AlertCases = {
  HostDiffers: [
    {
      series: {
        ...done('10x9 100x20'),
        ...series('provision_watch_differences', '0x9 2x9 0x10', ',at="web-01"'),
        ...series('provision_watch_differences', '0x30', ',at="web-02"'),
        ...resource('file:/etc/motd'),
        ...resource('service:nginx.service'),
      },
      silentAt: ['95s', '205s'],
      firingAt: ['105s', '190s'],
      labels: { ...watch, host: 'web-01' },
      summary: 'web-01 differs from the playbook (resources: 2): update file:/etc/motd, update service:nginx.service',
    },
    // A second monitoring server was down when the difference was corrected.
    {
      series: {
        ...done('100x30'),
        ...series('provision_watch_differences', '0x30', ',at="web-01"'),
        ...done('10x30', 'mon-02'),
        ...series('provision_watch_differences', '1x30', ',at="web-01"', 'mon-02'),
      },
      silentAt: '60s',
    },
    // Two servers have the same result: one alert.
    {
      series: {
        ...done('100x30'),
        ...series('provision_watch_differences', '1x30', ',at="web-01"'),
        ...done('100x30', 'mon-02'),
        ...series('provision_watch_differences', '1x30', ',at="web-01"', 'mon-02'),
      },
      firingAt: '60s',
      labels: { ...watch, host: 'web-01' },
      summary: 'web-01 differs from the playbook (resources: 1)',
    },
  ],
  WatchIncomplete: [
    {
      series: { ...done('10x30'), ...series('provision_watch_unobserved', '_x4 1x9 stale', ',at="web-02"') },
      silentAt: ['35s', '160s'],
      firingAt: '60s',
      labels: { ...watch, host: 'web-02' },
      summary: 'web-02 could not be compared with the playbook',
    },
  ],
  WatchStale: [
    {
      series: { ...done('20x30'), ...series('provision_watch_due_seconds', '100x30') },
      silentAt: ['95s', '160s'],
      firingAt: '170s',
      labels: watch,
      summary: 'provision-watch-shop-1a2b3c last compared the hosts with the playbook 2 min ago',
    },
    // One of two servers has a newer result.
    {
      series: {
        ...done('20x60'),
        ...series('provision_watch_due_seconds', '100x60'),
        ...done('20x5 30x60', 'mon-02'),
        ...series('provision_watch_due_seconds', '100x5 900x60', '', 'mon-02'),
      },
      silentAt: '300s',
    },
  ],
}
