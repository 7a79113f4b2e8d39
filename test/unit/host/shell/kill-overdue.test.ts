import { expect, test } from 'vitest'
import { problemOf, spanOf } from '../../../../src/host/shell/kill-overdue.ts'

test('a killed step is a failed task, and the problem names its command', () => {
  expect(problemOf('web-01', 'ended 12 sleep infinity\n', '30 min')).toMatchObject({
    class: 'task',
    where: { host: 'web-01' },
    what: '`sleep infinity` (pid 12) ran for 30 min and was killed',
  })
  expect(problemOf('web-01', 'ended 12 sleep infinity\nended 13 cat /a b\n', '6 s')?.what).toBe(
    '`sleep infinity` (pid 12), `cat /a b` (pid 13) ran for 6 s and were killed',
  )
})

test('a process that cannot be killed makes the host unreachable, and the fix mentions the lock', () => {
  expect(problemOf('web-01', 'left 12 stat /mnt/dead\n', '2 min')).toMatchObject({
    class: 'unreachable',
    what: '`stat /mnt/dead` (pid 12) cannot be killed after 2 min',
    fix: expect.stringContaining('the lock stays taken'),
  })
})

test('the problem is short even if the output of the host is not', () => {
  const said = `ended 1 ${'x'.repeat(10_000)}\n`.repeat(1000)
  expect(problemOf('web-01', said, '6 s')?.what.length).toBeLessThan(1500)
})

test.each(['', '\n', 'ended\n', 'garbage'])('without a killed process (%j) there is no problem', (output) => {
  expect(problemOf('web-01', output, '30 min')).toBeUndefined()
})

test.each([
  [500, '1 s'],
  [90_000, '90 s'],
  [1_800_000, '30 min'],
])('%i ms are %s', (ms, span) => {
  expect(spanOf(ms)).toBe(span)
})
