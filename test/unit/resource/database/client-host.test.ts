import fc from 'fast-check'
import { expect, it } from 'vitest'
import { hostFault } from '../../../../src/resource/database/client-host.ts'

it.each([
  '%',
  'localhost',
  '10.0.0.11',
  '10.0.%',
  '10.0.0.0/255.255.255.0',
  '10.0.16.0/255.255.240.0',
  '0.0.0.0/0.0.0.0',
  'fd00::11',
  'FD00::11',
  'fd00::%',
  'web-01',
])('a host that can match a client is accepted: %s', (host) => expect(hostFault(host)).toBeUndefined())

it.each([
  ['10.0.0.0/24', 'write 10.0.0.% or 10.0.0.0/255.255.255.0'],
  ['10.0.0.9/24', 'write 10.0.0.% or 10.0.0.0/255.255.255.0'],
  ['10.1.17.0/20', 'write 10.1.16.0/255.255.240.0'],
  ['10.0.0.9/32', 'write 10.0.0.9/255.255.255.255'],
  ['0.0.0.0/0', 'write % or 0.0.0.0/0.0.0.0'],
  ['10.0.0.9/255.255.255.0', 'write 10.0.0.0/255.255.255.0'],
  ['200.1.2.3/255.0.0.0', 'write 200.0.0.0/255.0.0.0'],
  ['10.0.0.0/33', 'write, for example, 192.0.2.% or 192.0.2.0/255.255.255.0'],
  ['10.0.0/24', 'write, for example, 192.0.2.% or 192.0.2.0/255.255.255.0'],
  ['10.0.0.0/24/1', 'write, for example, 192.0.2.% or 192.0.2.0/255.255.255.0'],
  ['10.0.0.0/1e1', 'write, for example, 192.0.2.% or 192.0.2.0/255.255.255.0'],
  ['10.0.0.0/ 8', 'write, for example, 192.0.2.% or 192.0.2.0/255.255.255.0'],
  ['web-01/24', 'write, for example, 192.0.2.% or 192.0.2.0/255.255.255.0'],
  ['fd00:1::/64', 'write %, or a pattern such as fd00:1::%'],
  ['fd00:0:0::11', 'write fd00::11'],
  ['fd00::1::2', 'write, for example, 2001:db8::11'],
  ['10.0.0', 'write, for example, 192.0.2.11 or 192.0.2.%'],
  ['010.0.0.1', 'write, for example, 192.0.2.11 or 192.0.2.%'],
])('a host that matches no client is refused with what to write: %s', (host, fix) => expect(hostFault(host)?.fix).toBe(fix))

it('the fix for any network is accepted', () => {
  fc.assert(
    fc.property(fc.ipV4(), fc.integer({ min: 0, max: 32 }), (address, bits) => {
      const written = hostFault(`${address}/${bits}`)?.fix.replace('write ', '').split(' or ') ?? []
      expect(written.length).toBeGreaterThan(0)
      expect(written.filter((host) => hostFault(host) !== undefined)).toEqual([])
    }),
  )
})
