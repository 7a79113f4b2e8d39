import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { options } from '../../../../roles/haproxy-tls/options.ts'
import { keepalivedConfig, waitCommand } from '../../../../roles/haproxy-tls/virtual-address/keepalived.ts'
import { virtualFaults, virtualListens, virtualResources } from '../../../../roles/haproxy-tls/virtual-address/virtual-address.ts'
import { type Content, shownText } from '../../../../src/resource/kind/content.ts'
import { keyOf } from '../../../../src/resource/kind/kind.ts'
import type { Facts, HostView } from '../../../../src/role/role.ts'
import { host } from '../context.ts'

const ONE = host('lb-01', 'lb-01.example.org', '10.0.0.11', 'fd00::11')
const TWO = host('lb-02', '10.0.0.12')
const networks = [
  { interface: 'eth0', network: '203.0.113.0/24' },
  { interface: 'eth1', network: '10.0.0.0/24' },
]
const place = (virtual_address: unknown, balancers: readonly HostView[] = [ONE, TWO], of = ONE) => ({
  host: of,
  site: { hosts: balancers, group: () => [], withRole: () => balancers },
  options: options.parse({ certificates: [{ names: ['www.example.org'] }], virtual_address }),
  facts: { networks } as unknown as Facts,
})
const config = (given: ReturnType<typeof place>): string => {
  const found = virtualResources(given).find((resource) => keyOf(resource) === 'file:/etc/keepalived/keepalived.conf')
  return (found && shownText((found.spec as { content: Content }).content)) ?? ''
}

describe('a virtual address', () => {
  it('is optional', () => {
    expect([virtualFaults(place(undefined)), virtualListens(place(undefined)), virtualResources(place(undefined))]).toEqual([[], [], []])
  })

  it('is given up by a host that shared it, and by no other', () => {
    const given = { ...place(undefined), wasDeclared: (key: string) => key === 'unit:keepalived.service.d/provision.conf' }
    expect(virtualResources(given).map((one) => [keyOf(one), one.spec])).toMatchObject([
      ['service:keepalived.service', { running: false, enabled: false }],
      ['file:/etc/keepalived/keepalived.conf', { state: 'absent' }],
      ['file:/etc/keepalived/haproxy-alive', { state: 'absent' }],
    ])
    expect(virtualResources({ ...given, wasDeclared: () => false })).toEqual([])
  })

  it('prefers the first balancer of the inventory, and uses the interface in its network', () => {
    const [first, second] = [ONE, TWO].map((of) => config(place('10.0.0.100/24', [ONE, TWO], of)))
    expect(first).toMatch(/interface eth1\n.*\n *priority 200\n[^}]*unicast_src_ip 10.0.0.11\n *unicast_peer \{\n *10.0.0.12\n/)
    expect(second).toMatch(/interface eth1\n.*\n *priority 199\n[^}]*unicast_src_ip 10.0.0.12\n *unicast_peer \{\n *10.0.0.11\n/)
    expect(second).toContain('10.0.0.100/24 dev eth1')
  })

  it('in no network of the host uses the interface of the host’s own address', () => {
    expect(config(place('198.51.100.7/32'))).toContain('198.51.100.7/32 dev eth1')
  })

  it('of another family moves with the first', () => {
    const instance = { host: 'lb-01', interface: 'eth0', id: 7, priority: 1, own: 'fd00::11', peers: ['fd00::12'] }
    const text = keepalivedConfig({ ...instance, virtual: ['fd00::100/64', '10.0.0.100/24'] })
    expect(text).toMatch(/virtual_ipaddress \{\n *fd00::100\/64 dev eth0\n *\}/)
    expect(text).toMatch(/virtual_ipaddress_excluded \{\n *10.0.0.100\/24 dev eth0\n *\}/)
  })

  it('opens VRRP to the other balancers only', () => {
    expect(virtualListens(place('10.0.0.100/24'))).toEqual([{ service: 'balancers', port: 0, protocol: 'vrrp', from: [{ host: 'lb-02' }] }])
  })

  it.each([
    ['10.0.0.100/24', [ONE], 'lb-01 is the only balancer, and no other could take over the address'],
    ['10.0.0.12/24', [ONE, TWO], 'lb-02 has this address as its own'],
    ['fd00::100/64', [ONE, TWO], 'lb-02 has no IPv6 address for VRRP messages of the other balancers'],
  ])('cannot be %s in an invalid site', (address, balancers, what) => {
    expect(virtualFaults(place(address, balancers)).map((fault) => fault.what)).toEqual([what])
  })

  it('without a suitable interface is an input error', () => {
    const lost = { ...place('10.0.0.100/24'), facts: { networks: networks.slice(0, 1) } as unknown as Facts }
    expect(() => virtualResources(lost)).toThrow(
      expect.objectContaining({
        class: 'input',
        where: { host: 'lb-01', role: 'haproxy-tls' },
        what: 'no interface is in the network of 10.0.0.100/24',
        why: 'lb-01 is on 203.0.113.0/24 (eth0)',
      }),
    )
    const named = { ...lost, options: { ...lost.options, virtual_interface: 'bond0.7' } }
    expect(config(named)).toContain('10.0.0.100/24 dev bond0.7')
  })

  it('is announced from an address, never from a name', () => {
    const balancers = [host('lb-01', 'lb-1', '10.0.0.11'), host('lb-02', '2.example', '10.0.0.12')] as const
    expect(config(place('10.0.0.100/24', balancers, balancers[0]))).toMatch(
      /unicast_src_ip 10\.0\.0\.11\n *unicast_peer \{\n *10\.0\.0\.12\n/,
    )
  })
})

/** Blocks and settings of a configuration of keepalived: a nested object, whose names include the name of a block. */
interface Block {
  [name: string]: string | true | Block
}
const blocksOf = (text: string): Block => {
  const top: Block = {}
  const stack: Block[] = [top]
  for (const line of text.split('\n').map((one) => one.replace(/#.*/, '').trim())) {
    const [block] = stack.slice(-1)
    if (block === undefined) throw new Error('a brace too many')
    if (line.endsWith(' {')) {
      const inner: Block = {}
      block[line.slice(0, -2)] = inner
      stack.push(inner)
    } else if (line === '}') stack.pop()
    else if (line !== '') block[line.split(' ')[0] ?? ''] = line.split(' ').slice(1).join(' ') || true
  }
  expect(stack).toHaveLength(1)
  return top
}

describe('keepalived', () => {
  it('moves the addresses within seconds if HAProxy or its host fails, and never back by itself', () => {
    const blocks = blocksOf(config(place(['10.0.0.100/24', 'fd00::100/64'])))
    expect(blocks).toEqual({
      global_defs: { router_id: 'lb-01', vrrp_version: '3', enable_script_security: true, script_user: 'nobody nogroup' },
      'vrrp_script haproxy': { script: '/etc/keepalived/haproxy-alive', interval: '1', timeout: '2', fall: '2', rise: '2' },
      'vrrp_instance provision': {
        ...{ state: 'BACKUP', nopreempt: true, interface: 'eth1', virtual_router_id: '51', priority: '200', advert_int: '1' },
        ...{ garp_master_refresh: '60', unicast_src_ip: '10.0.0.11', unicast_peer: { '10.0.0.12': true } },
        virtual_ipaddress: { '10.0.0.100/24': 'dev eth1' },
        virtual_ipaddress_excluded: { 'fd00::100/64': 'dev eth1' },
        track_script: { haproxy: true },
      },
    })
    expect(blocksOf(config(place('10.0.0.100/24')))['vrrp_instance provision']).not.toHaveProperty('virtual_ipaddress_excluded')
  })

  it('loads files that it checked before, as root because of a fault of version 2.2.7', () => {
    const declared = virtualResources(place('10.0.0.100/24'))
    const specOf = (key: string) => declared.find((one) => keyOf(one) === key)?.spec as Record<string, unknown>
    const { name, root, check } = specOf('file:/etc/keepalived/keepalived.conf').set as { name: string; root: string; check: string[] }
    expect(specOf('file:/etc/keepalived/haproxy-alive').set).toEqual({ name, root, check })
    expect([name, root]).toEqual(['keepalived', '/etc/keepalived'])
    const service = specOf('service:keepalived.service')
    expect(service).toMatchObject({
      ...{ set: 'keepalived', loads: [{ path: '/etc/keepalived/keepalived.conf' }] },
      restarts: [{ path: '/etc/systemd/system/keepalived.service.d/provision.conf' }],
    })
    const scratch = mkdtempSync(join(tmpdir(), 'provision-keepalived-'))
    try {
      const at = join(scratch, 'keepalived.conf')
      writeFileSync(at, config(place('10.0.0.100/24')))
      writeFileSync(join(scratch, 'keepalived'), `#!/bin/sh\necho "$1 $2"; cat "$3"; [ ! -e ${scratch}/refuse ]\n`, { mode: 0o755 })
      const words = check.map((word) => word.replaceAll('/etc/keepalived/keepalived.conf', at))
      const run = () => {
        const env = { ...process.env, PATH: `${scratch}:${process.env.PATH}`, TMPDIR: scratch }
        const { status, stdout } = spawnSync(words[0] ?? '', words.slice(1), { encoding: 'utf8', env })
        return { status, stdout }
      }
      const tested = readFileSync(at, 'utf8').replace('script_user nobody nogroup', 'script_user root')
      expect(run()).toEqual({ status: 0, stdout: `--config-test --use-file\n${tested}` })
      writeFileSync(join(scratch, 'refuse'), '')
      expect(run().status).toBe(1)
      // Nothing is left over.
      expect(
        execFileSync('ls', [scratch], { encoding: 'utf8' })
          .split('\n')
          .filter((one) => one.startsWith('tmp.')),
      ).toEqual([])
    } finally {
      rmSync(scratch, { recursive: true })
    }
  })

  it('counts as started when a balancer answers at the address, or after a limit', async () => {
    const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const wait = (seconds: number, at: number) => {
      const command = waitCommand('127.0.0.1').replace(/^-/, '').replace('/127.0.0.1/80', `/127.0.0.1/${at}`)
      // bash reads ~/.bashrc if its standard input is a socket.
      const options = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] } as const
      return spawnSync('sh', ['-c', command.replace('timeout 15 ', `timeout ${seconds} `)], { ...options, stdio: [...options.stdio] })
    }
    expect(waitCommand('127.0.0.1')).toMatch(/^-.* 15 /)
    expect(wait(9, port)).toMatchObject({ status: 0, stderr: '' })
    server.close()
    // Nobody listens on port 1, while a port just closed may get another listener at once.
    expect(wait(0.5, 1)).toMatchObject({ status: 124, stderr: '' })
  })
})
