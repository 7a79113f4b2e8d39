import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { options } from '../../../../roles/haproxy-tls/options.ts'
import { faultsOf } from '../../../../roles/haproxy-tls/sites/faults.ts'
import { sitesOf } from '../../../../roles/haproxy-tls/sites/sites.ts'
import { CHECK_TEXT } from '../../../../roles/haproxy-tls/virtual-address/keepalived.ts'
import { virtualChecks, virtualResources } from '../../../../roles/haproxy-tls/virtual-address/virtual-address.ts'
import { type Content, shownText } from '../../../../src/resource/kind/content.ts'
import { keyOf } from '../../../../src/resource/kind/kind.ts'
import type { Facts } from '../../../../src/role/role.ts'
import { host } from '../context.ts'

const balancers = [host('lb-01', '10.0.0.11', 'fd00::11'), host('lb-02', '10.0.0.12', 'fd00::12')] as const
const context = (more: object = {}) => ({
  host: balancers[0],
  site: { hosts: balancers, group: () => balancers, withRole: () => balancers },
  options: options.parse({ certificates: [{ names: ['www.site.test'] }], ...more }),
  facts: { networks: [{ interface: 'eth1', network: '10.0.0.0/24' }] } as unknown as Facts,
})

describe('the check of a shared address', () => {
  let at = ''
  beforeEach(() => {
    at = mkdtempSync(join(tmpdir(), 'provision-addresses-'))
  })
  afterEach(() => rmSync(at, { recursive: true }))
  /** A command that records its words. */
  const command = (name: string, script: string): void => {
    writeFileSync(join(at, name), `#!/bin/sh\necho "${name} $*" >>${at}/asked\n${script}\n`)
    chmodSync(join(at, name), 0o755)
  }
  const run = (address: string) => {
    const [check] = virtualChecks(context({ virtual_address: address }))
    const { status, stdout } = spawnSync('sh', ['-c', String(check?.script)], {
      env: { ...process.env, PATH: `${at}:${process.env.PATH}` },
      encoding: 'utf8',
    })
    const asked = existsSync(join(at, 'asked')) ? readFileSync(join(at, 'asked'), 'utf8').trim().split('\n') : []
    return { name: check?.name, status, output: stdout.trim(), asked }
  }
  const HELD = "echo '2: eth1    inet 10.0.0.100/24 scope global eth1'"

  it('of IPv4 asks the network for another holder', () => {
    command('ip', HELD)
    command('arping', 'exit 0')
    expect(run('10.0.0.100/24')).toEqual({
      ...{ name: 'exactly one balancer holds 10.0.0.100', status: 0, output: '' },
      asked: ['ip -o address show to 10.0.0.100', 'arping -q -D -c 2 -w 3 -I eth1 10.0.0.100'],
    })
    command('arping', 'exit 1')
    expect(run('10.0.0.100/24')).toMatchObject({ status: 1, output: expect.stringContaining('another host holds the address too') })
  })

  it('of IPv6 relies on the detection of duplicates in the kernel', () => {
    command('ip', HELD)
    command('arping', 'exit 1')
    expect(run('fd00::100/64')).toMatchObject({ status: 0, asked: ['ip -o address show to fd00::100'] })
  })

  it('that another host holds requires that this one answers', () => {
    command('ip', '')
    command('timeout', 'exit 0')
    expect(run('10.0.0.100/24')).toMatchObject({
      status: 0,
      asked: ['ip -o address show to 10.0.0.100', 'timeout 5 bash --norc -c : <>/dev/tcp/10.0.0.100/443'],
    })
    command('timeout', 'exit 1')
    expect(run('10.0.0.100/24')).toMatchObject({ status: 1, output: 'no balancer answers at the address' })
  })

  it('is one for each address', () => {
    expect(virtualChecks(context({ virtual_address: ['10.0.0.100/24', 'fd00::100/64'] })).map(({ name }) => name)).toEqual(
      ['10.0.0.100', 'fd00::100'].map((address) => `exactly one balancer holds ${address}`),
    )
    expect(virtualChecks(context())).toEqual([])
  })
})

describe('the check of keepalived', () => {
  it.each([
    [200, 0],
    [503, 1],
  ])('believes a response only: status %i', async (status, code) => {
    const requests: string[] = []
    const server = createServer(({ url = '' }, response) => {
      requests.push(url)
      response.writeHead(status).end()
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as AddressInfo
    const child = spawn('bash', ['-c', CHECK_TEXT.replace('/dev/tcp/127.0.0.1/80', `/dev/tcp/127.0.0.1/${port}`)], { stdio: 'ignore' })
    const exit = await new Promise((resolve) => child.once('close', resolve))
    server.close()
    expect([exit, requests]).toEqual([code, ['/.provision/alive']])
  })
})

describe('the units of a shared address', () => {
  const declared = virtualResources(context({ virtual_address: '10.0.0.100/24' }))

  it('wait until a balancer answers, with few capabilities', () => {
    const found = declared.find((one) => keyOf(one) === 'unit:keepalived.service.d/provision.conf')
    const text = (found && shownText((found.spec as { file: { content: Content } }).file.content)) ?? ''
    expect(text.split('\n')).toEqual(
      expect.arrayContaining([
        ...['After=haproxy.service', 'ExecStart=', 'Restart=on-failure', 'RuntimeDirectory=keepalived', 'ProcSubset=all'],
        'ExecStart=/usr/sbin/keepalived --dont-fork --vrrp --pid=/run/keepalived/main.pid --vrrp_pid=/run/keepalived/vrrp.pid',
        "ExecStartPost=-/usr/bin/timeout 15 /usr/bin/bash -c 'until (: <>/dev/tcp/10.0.0.100/80) 2>/dev/null; do sleep 0.2; done'",
        'CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW CAP_SETUID CAP_SETGID CAP_KILL',
        'RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_PACKET AF_INET AF_INET6',
      ]),
    )
  })

  it('are packages, check and configuration, then the service that loads them', () => {
    expect(declared.map(keyOf)).toEqual([
      ...['package:keepalived', 'package:iputils-arping', 'file:/etc/keepalived/haproxy-alive', 'file:/etc/keepalived/keepalived.conf'],
      ...['unit:keepalived.service.d/provision.conf', 'service:keepalived.service'],
    ])
    const check = declared.find((one) => one.id === '/etc/keepalived/haproxy-alive')
    expect(check?.spec).toMatchObject({ mode: '755', set: { name: 'keepalived', root: '/etc/keepalived' } })
  })
})

describe('the sites', () => {
  const at = (more: object) => sitesOf(options.parse({ certificates: [{ names: ['*.first.test', 'www.first.test'] }], ...more }))

  it('are checked by their first full name, or one that their wildcard covers', () => {
    const hosts = (more: object) => at(more).map(({ health }) => health.host)
    expect(hosts({})).toEqual(['www.first.test'])
    expect(hosts({ sites: [{ names: ['*.a.test', 'b.a.test'] }, { names: ['*.c.test'] }] })).toEqual(['b.a.test', 'any.c.test'])
    expect(hosts({ health_host: 'all.test', sites: [{ names: ['a.test'] }, { names: ['b.test'], health_host: 'own.test' }] })).toEqual([
      ...['all.test', 'own.test'],
    ])
    expect(sitesOf(options.parse({ certificates: [{ names: ['*.first.test'] }] }))[0]?.health.host).toBe('any.first.test')
  })

  it('have the options of the top level unless they set their own', () => {
    const top = {
      backend: 'all',
      balance: 'source',
      sticky: true,
      health_path: '/a',
      health_status: 201,
      max_connections: 3,
      slow_start_seconds: 4,
    }
    const own = {
      backend: 'shop',
      balance: 'leastconn',
      sticky: false,
      health_path: '/b',
      health_status: 202,
      max_connections: 5,
      slow_start_seconds: 0,
    }
    expect(at({ ...top, sites: [{ names: ['a.test'] }, { names: ['b.test'], ...own }] })).toMatchObject([
      { group: 'all', balance: 'source', sticky: true, health: { path: '/a', status: 201 }, maxConnections: 3, slowStartSeconds: 4 },
      { group: 'shop', balance: 'leastconn', sticky: false, health: { path: '/b', status: 202 }, maxConnections: 5, slowStartSeconds: 0 },
    ])
  })

  it('need a certificate that covers their names by one label', () => {
    const certificates = [{ names: ['*.a.test', 'b.test'] }]
    const names = ['x.a.test', 'a.test', 'x.y.a.test', 'xa.test', 'b.test', '*.a.test', '*.b.test']
    const given = options.parse({ certificates, acme: { dns_hook: ['x'] }, sites: names.map((name) => ({ names: [name] })) })
    const faults = faultsOf(given, { hosts: balancers, group: () => balancers, withRole: () => balancers })
    expect(faults.map(({ what }) => what)).toEqual(
      ['a.test', 'x.y.a.test', 'xa.test', '*.b.test'].map((name) => `${name} has no certificate`),
    )
  })
})
