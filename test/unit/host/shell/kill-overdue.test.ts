import { expect, test } from 'vitest'
import { spanOf, verdict } from '../../../../src/host/shell/kill-overdue.ts'

test('what was ended is a task that failed, and says what it was', () => {
  expect(verdict('web-01', 'ended 12 sleep infinity\n', '30 min')).toMatchObject({
    class: 'task',
    where: { host: 'web-01' },
    what: '`sleep infinity` (pid 12) had run for 30 min and was ended',
  })
  expect(verdict('web-01', 'ended 12 sleep infinity\nended 13 cat /a b\n', '6 s')?.what).toBe(
    '`sleep infinity` (pid 12), `cat /a b` (pid 13) had run for 6 s and were ended',
  )
})

test('what cannot be ended loses the host, and says that it holds the lock', () => {
  expect(verdict('web-01', 'left 12 stat /mnt/dead\n', '2 min')).toMatchObject({
    class: 'unreachable',
    what: '`stat /mnt/dead` (pid 12) cannot be ended, after 2 min',
    fix: expect.stringContaining('it holds the lock'),
  })
})

test('a host that says more than was asked gets a short card all the same', () => {
  const said = `ended 1 ${'x'.repeat(10_000)}\n`.repeat(1000)
  expect(verdict('web-01', said, '6 s')?.what.length).toBeLessThan(1500)
})

test.each(['', '\n', 'ended\n', 'garbage'])('where nothing was ended (%j), it had ended by itself', (said) => {
  expect(verdict('web-01', said, '30 min')).toBeUndefined()
})

test.each([
  [500, '1 s'],
  [90_000, '90 s'],
  [1_800_000, '30 min'],
])('%i ms are %s', (ms, span) => {
  expect(spanOf(ms)).toBe(span)
})
