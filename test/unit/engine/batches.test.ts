import { expect, it } from 'vitest'
import { batches } from '../../../src/engine/apply/batches.ts'

it.each([
  ['all at once where nothing is said', [], [5]],
  ['one after the other', [1], [1, 1, 1, 1, 1]],
  ['a first one, then more, the last number again', [1, 2], [1, 2, 2]],
  ['not more hosts than exist', [1, 10], [1, 4]],
])('batches: %s', (_, serial, sizes) => {
  const hosts = ['a', 'b', 'c', 'd', 'e']
  const found = batches(hosts, serial)
  expect(found.map(({ length }) => length)).toEqual(sizes)
  expect(found.flat()).toEqual(hosts)
})
