import { expect, test } from 'vitest'
import { flowTable } from '../../../src/report/flows.ts'
import type { Flow } from '../../../src/role/role.ts'
import { plainView } from './values.ts'

const web = Array.from({ length: 300 }, (_, i) => `web-${i + 1}`)
const groups = new Map([
  ['all', ['lb-01', ...web]],
  ['balancers', ['lb-01']],
  ['web', web],
])
const flow = (host: string, service: string, port: number, from: 'anyone' | readonly string[], encrypted = false): Flow => {
  const peers = from === 'anyone' ? from : from.map((name) => ({ name, addresses: name === 'administrators' ? [] : ['10.0.0.1'] }))
  return { host, role: 'role', service, port, protocol: 'tcp', encrypted, from: peers }
}
const lines = (flows: readonly Flow[], columns = 100): readonly string[] =>
  flowTable(flows, [], groups, { ...plainView, columns }).split('\n')

test('flows that are the same on many hosts share a row, with groups in place of their hosts', () => {
  const flows = [
    ...['lb-01', ...web].flatMap((host) => [flow(host, 'ssh', 22, ['administrators'], true), flow(host, 'metrics', 9100, ['lb-01'])]),
    ...web.map((host) => flow(host, 'site', 8080, ['lb-01'])),
    flow('lb-01', 'https', 443, 'anyone', true),
    flow('lb-01', 'logs', 514, web),
    flow('lb-01', 'cache', 6379, ['lb-01']),
    flow('lb-01', 'queue', 5672, web.slice(1)),
  ]
  expect(lines(flows)).toEqual([
    'from                    to               port      service  role  encrypted',
    'administrators          all (301 hosts)  22/tcp    ssh      role  yes',
    'lb-01                   all (301 hosts)  9100/tcp  metrics  role  no',
    'lb-01                   web (300 hosts)  8080/tcp  site     role  no',
    'anyone                  lb-01            443/tcp   https    role  yes',
    'web (300 hosts)         lb-01            514/tcp   logs     role  no',
    'itself                  lb-01            6379/tcp  cache    role  no',
    'web-2, web-3, 297 more  lb-01            5672/tcp  queue    role  no',
    '',
  ])
})

test('a reason and an interface are shown where there are some', () => {
  const vpn: Flow = { ...flow('lb-01', 'dns', 53, 'anyone'), protocol: 'udp', interface: 'wg0', why: 'names in the VPN' }
  expect(lines([vpn, flow('lb-01', 'https', 443, 'anyone', true)])).toEqual([
    'from    to     port           service  role  encrypted  why',
    'anyone  lb-01  53/udp on wg0  dns      role  no         names in the VPN',
    'anyone  lb-01  443/tcp        https    role  yes',
    '',
  ])
})

test('up to three names are written out, and of more of them two', () => {
  const to = (...hosts: readonly string[]): string | undefined =>
    lines(hosts.map((host) => flow(host, 'site', 80, 'anyone')))[1]?.split(/ {2,}/)[1]
  expect([to('a', 'b', 'c'), to('a', 'b', 'c', 'd')]).toEqual(['a, b, c', 'a, b, 2 more'])
})

test('a narrow screen has one name per line', () => {
  expect(lines([flow('web-1', 'site', 80, ['lb-01', 'web-2', 'web-3']), flow('web-2', 'ssh', 22, 'anyone', true)], 50)).toEqual([
    'from    to     port    service  role  encrypted',
    'lb-01   web-1  80/tcp  site     role  no',
    'web-2',
    'web-3',
    'anyone  web-2  22/tcp  ssh      role  yes',
    '',
  ])
})

test('hosts without a firewall are named, because the table does not hold for them', () => {
  const flows = [flow('lb-01', 'https', 443, 'anyone')]
  expect(flowTable(flows, ['lb-01'], groups, plainView)).toContain(
    '\n\n! no role firewall for lb-01: every listening port is open to anyone\n',
  )
  expect(flowTable([], web, groups, plainView)).toContain('! no role firewall for web (300 hosts): ')
  expect(flowTable(flows, [], groups, plainView)).not.toContain('!')
})
