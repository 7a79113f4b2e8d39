import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { options } from '../../../../roles/wireguard/options.ts'
import role from '../../../../roles/wireguard/role.ts'
import { planRole } from '../../../../src/testing/plan-role.ts'

const HOSTS = {
  'web-01': { address: '192.0.2.11', internal: '10.80.0.11', public: '192.0.2.11' },
  'web-02': { address: '192.0.2.12', internal: '10.80.0.12', public: '192.0.2.12' },
}
const given = (more: object = {}) => ({ network: '10.80.0.0/24', ...more })
const plan = (more: object = {}, hosts: object = HOSTS) =>
  planRole(role, { inventory: { hosts } as never, host: 'web-01', options: given(more) })

describe('a member', () => {
  it('has a key, peers and a unit', () => {
    expect(plan().changes.map(({ action, resource }) => `${action} ${resource}`)).toEqual([
      ...['wireguard-tools', 'iproute2', 'iputils-ping'].map((name) => `create package:${name}`),
      'create directory:/etc/wireguard',
      'create directory:/usr/local/lib/provision',
      'create file:/usr/local/lib/provision/wireguard',
      'create unit:provision-wireguard.service',
      'create wireguard:wg0',
      'create service:provision-wireguard.service',
    ])
  })

  it('uses the outside addresses of the others, and admits only their packets', () => {
    const mesh = plan().resources.find(({ kind }) => kind.name === 'wireguard')
    expect(mesh?.spec).toMatchObject({
      members: [
        { host: 'web-01', endpoint: '192.0.2.11:51820', addresses: ['10.80.0.11/32'] },
        { host: 'web-02', endpoint: '192.0.2.12:51820', addresses: ['10.80.0.12/32'] },
      ],
    })
  })

  it('runs wireguard-go where the kernel has no WireGuard', () => {
    const { changes } = plan({ userspace: true })
    const unit = changes.find(({ resource }) => resource === 'unit:provision-wireguard.service')?.text
    expect(unit).toContain('ExecStart=/usr/bin/wireguard-go -f wg0')
    expect(unit).toContain('DeviceAllow=/dev/net/tun rw')
    expect(changes.map(({ resource }) => resource)).toContain('package:wireguard-go')
  })

  it('warns if it is the only one', () => {
    expect(plan({}, { 'web-01': HOSTS['web-01'] }).warnings.join()).toContain('only member of the mesh')
  })

  it.each([false, true])('has a script that sh can read (userspace: %s)', (userspace) => {
    const text = plan({ userspace }).changes.find(({ resource }) => resource.startsWith('file:'))?.text ?? ''
    expect(spawnSync('sh', ['-n'], { input: text, encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' })
    expect(text).toContain('ip address add 10.80.0.11/24 dev wg0')
  })
})

describe('a refusal', () => {
  it.each<[string, object, object, RegExp]>([
    ['no address in the mesh', { 'web-01': { address: '192.0.2.11' } }, {}, /web-01 has no address in 10\.80\.0\.0\/24/],
    ['no address outside', { 'web-01': { address: '192.0.2.11', internal: '10.80.0.11' } }, {}, /no address outside of 10\.80\.0\.0\/24/],
    ['the same address twice', HOSTS, { addresses: { 'web-02': '10.80.0.11' } }, /web-01 and web-02 have the same address/],
    ['an address of another network', HOSTS, { addresses: { 'web-01': '10.81.0.1' } }, /10\.81\.0\.1 is not in 10\.80\.0\.0\/24/],
    ['the address of the network', HOSTS, { addresses: { 'web-01': '10.80.0.0' } }, /is the address of the network itself/],
    ['an endpoint in the mesh', HOSTS, { endpoints: { 'web-01': '10.80.0.11' } }, /would go through the tunnel/],
    ['a name that is no member', HOSTS, { addresses: { 'web-03': '10.80.0.13' } }, /web-03 is not a member of the mesh/],
  ])('of %s', (_, hosts, more, what) => {
    expect(() => plan(more, hosts)).toThrow(what)
  })

  it.each([
    { network: '10.80.0.1' },
    { network: '10.80.0.0/24\n' },
    { interface: 'eth0' },
    { interface: 'wg0; reboot' },
    { port: 22 },
    { mtu: 500 },
    { keepalive: -1 },
    { endpoints: { a: 'host.example.org' } },
  ])('of the options %j', (more) => {
    expect(options.safeParse(given(more)).success).toBe(false)
  })
})
