import { expect, it } from 'vitest'
import monitoring from '../../../../roles/monitoring/role.ts'

const connects = (options: object, servers: readonly string[] = ['mon']) =>
  monitoring
    .connects?.({
      options: monitoring.options.parse(options),
      host: 'mon',
      site: { group: () => servers },
    } as never)
    .map(({ service, port }) => `${service} ${port}`)

it('a monitoring server connects to receivers, the heartbeat and pages outside the site', () => {
  const options = {
    receivers: [
      { name: 'mail', type: 'email', to: ['a@example.org'], from: 'b@example.org', server: 'mail.example.org:587' },
      { name: 'pager', type: 'pagerduty', routing_key: 'k' },
      { name: 'hook', type: 'webhook', url: 'https://hooks.example.org:8443/x' },
    ],
    remote_write: [{ url: 'https://store.test:9443/push' }],
    heartbeat: 'https://beat.example.org/x',
    probes: [{ url: 'http://www.example.org/' }, { tcp: 'x.test:25' }, { tls: 'x.test:465' }, { dns: 'x.test', server: '9.9.9.9' }],
    targets: [
      { job: 'shop', at: 'http://127.0.0.1:9200/', hosts: ['mon'] },
      { job: 'cdn', url: 'https://cdn.test:8444/metrics' },
    ],
  }
  expect(connects(options)).toEqual([
    ...['alerts 587', 'alerts 443', 'alerts 8443', 'heartbeat 443'],
    ...['probes 80', 'probes 25', 'probes 465', 'probes 53', 'measurements 8444', 'measurements 9443'],
  ])
  expect(connects(options, [])).toEqual([])
  expect(connects({})).toEqual([])
})
