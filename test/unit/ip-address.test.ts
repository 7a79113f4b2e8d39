import { expect, it } from 'vitest'
import { canonicalAddress } from '../../src/ip-address.ts'

it.each([
  ['192.0.2.1', '192.0.2.1'],
  ['FD79:205:0:0:0:0:0:11', 'fd79:205::11'],
  ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['fe80::1%eth0', undefined],
  ['192.0.2.256', undefined],
  ['192.0.2', undefined],
  ['web-01.example.org', undefined],
  ['', undefined],
])('%j is the address %j', (text, expected) => expect(canonicalAddress(text)).toBe(expected))
