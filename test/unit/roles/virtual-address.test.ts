import { describe, expect, it } from 'vitest'
import { keepalivedConfig } from '../../../roles/haproxy-tls/keepalived.ts'
import { options } from '../../../roles/haproxy-tls/options.ts'
import { virtualFaults, virtualListens, virtualResources } from '../../../roles/haproxy-tls/virtual-address.ts'
import { type Content, shownText } from '../../../src/resource/kind/content.ts'
import { keyOf } from '../../../src/resource/kind/kind.ts'
import type { Facts, HostView } from '../../../src/role/role.ts'
import { host } from './context.ts'

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
    expect(() => virtualResources(lost)).toThrow('no interface is in the network of 10.0.0.100/24')
  })
})
