import { expect, it } from 'vitest'
import { overlap } from '../../../src/role/networks.ts'

it.each([
  ['192.0.2.5', '192.0.2.0/24', true],
  ['10.0.0.0/8', '10.1.0.0/16', true],
  ['10.1.0.9/16', '10.0.0.0/8', true],
  ['fd00::1', 'FD00:0::/64', true],
  ['0.0.0.0/0', '198.51.100.1', true],
  ['10.0.0.0/24', '10.0.1.0/24', false],
  ['fd01::1', 'fd00::/64', false],
  ['10.0.0.1', '::/0', false],
  ['10.0.0.1', '', false],
  ['10.0.0.1', 'nonsense/8', false],
])('%s and %s share an address: %s', (one, other, expected) => {
  expect(overlap(one, other)).toBe(expected)
  expect(overlap(other, one)).toBe(expected)
})
