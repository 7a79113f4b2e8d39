import { expect, it } from 'vitest'
import { mostAtOnce } from '../../e2e/support/database/replicas.ts'

it.each([
  ['no server accepts writes', [[], []], 0],
  ['one hands over to the other', [[[1, 2]], [[2.1, 3]]], 1],
  [
    'one hands over, and gets it back',
    [
      [
        [1, 2],
        [4, 5],
      ],
      [[2.1, 3.9]],
    ],
    1,
  ],
  ['one look finds a writer while another server is one', [[[2, 2]], [[1, 3]]], 2],
  ['the second begins before the first has ended', [[[1, 2]], [[1.9, 3]]], 2],
  ['three at once, two only before', [[[1, 5]], [[2, 5]], [[3, 3]]], 3],
] as const)('how many accept writes at one moment: %s', (_, spans, most) => {
  expect(mostAtOnce(spans)).toBe(most)
})
