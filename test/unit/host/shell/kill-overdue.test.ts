import { describe, expect, test } from 'vitest'
import { killOverdue, problemOf as problemIn, spanOf } from '../../../../src/host/shell/kill-overdue.ts'
import { problemOf } from '../../problem-of.ts'
import { localHost, opened, textOf } from './local-host.ts'

test('a killed step is a failed task, and the problem names its command', () => {
  expect(problemIn('web-01', 'ended 12 sleep infinity\n', '30 min')).toMatchObject({
    class: 'task',
    where: { host: 'web-01' },
    what: '`sleep infinity` (pid 12) ran for 30 min and was killed',
  })
  expect(problemIn('web-01', 'ended 12 sleep infinity\nended 13 cat /a b\n', '6 s')?.what).toBe(
    '`sleep infinity` (pid 12), `cat /a b` (pid 13) ran for 6 s and were killed',
  )
})

test('a process that cannot be killed makes the host unreachable, and the fix mentions the lock', () => {
  expect(problemIn('web-01', 'left 12 stat /mnt/dead\n', '2 min')).toMatchObject({
    class: 'unreachable',
    what: '`stat /mnt/dead` (pid 12) cannot be killed after 2 min',
    fix: expect.stringContaining('the lock stays taken'),
  })
})

test('the problem is short even if the output of the host is not', () => {
  const said = `ended 1 ${'x'.repeat(10_000)}\n`.repeat(1000)
  expect(problemIn('web-01', said, '6 s')?.what.length).toBeLessThan(1500)
})

test.each(['', '\n', 'ended\n', 'garbage'])('without a killed process (%j) there is no problem', (output) => {
  expect(problemIn('web-01', output, '30 min')).toBeUndefined()
})

test.each([
  [500, '1 s'],
  [90_000, '90 s'],
  [1_800_000, '30 min'],
])('%i ms are %s', (ms, span) => {
  expect(spanOf(ms)).toBe(span)
})

test('a problem names five processes, each by 200 characters of its command', () => {
  const output = [1, 2, 3, 4, 5, 6].map((pid) => `ended ${pid} ${'x'.repeat(250)}\n`).join('')
  const what = problemIn('web-01', output, '6 s')?.what ?? ''
  expect(what.match(/`x{200}` \(pid \d\)/g)).toHaveLength(5)
  expect(what).not.toContain('(pid 6)')
  // Both outcomes, or a number that no process has.
  expect(problemIn('web-01', 'ended 12 a\nleft 13 b\n', '6 s')?.what).toBe('`b` (pid 13) cannot be killed after 6 s')
  expect(problemIn('web-01', 'ended 12345678901 a\n', '6 s')).toBeUndefined()
  expect(problemIn('web-01', 'x ended 12 a\n', '6 s')).toBeUndefined()
})

test.each([
  [119_999, '120 s'],
  [120_000, '2 min'],
])('%i ms are %s, too', (ms, span) => {
  expect(spanOf(ms)).toBe(span)
})

describe('a step that exceeds its deadline', () => {
  test('is killed with its children and named, and the shell continues', async () => {
    const host = await localHost()
    const shell = await opened(host, { killOverdue: killOverdue(host.target) })
    const problem = await problemOf(shell.request('sh -c "sleep 31 & sleep 32"; echo no', { deadlineMs: 1000 }))
    expect(problem).toMatchObject({ class: 'task', where: { host: 'web-01' } })
    expect(problem.what).toMatch(/^`sleep 3[12]` \(pid \d+\), `sleep 3[12]` \(pid \d+\) ran for 1 s and were killed$/)
    expect(await textOf(shell, 'echo alive')).toBe('alive\n')
  })

  test('that ended at its deadline is not mixed up with the next step, which is kept', async () => {
    const host = await localHost()
    const shell = await opened(host, { killOverdue: killOverdue(host.target) })
    const first = shell.request('sleep 0.55', { deadlineMs: 500 }).catch(() => undefined)
    expect(await textOf(shell, 'sleep 0.4; echo kept')).toBe('kept\n')
    await first
  })

  test('on a host without a new connection may still run, and the reason is named', async () => {
    const [host, other] = [await localHost(), await localHost()]
    const problem = await killOverdue({ ...host.target, keys: other.target.keys })('0'.repeat(32), 90_000)
    expect(problem).toMatchObject({
      class: 'unreachable',
      where: { host: 'web-01' },
      what: 'step did not answer within 90 s, and its processes could not be killed over a new connection',
      why: expect.stringMatching(/^login as root was refused\ntried .*; the host accepts publickey(\n.*Permission denied .*)?$/),
      fix: expect.stringMatching(/^run again when the host is reachable; .*: end them on the host \(kill PID\)$/),
    })
    expect(problem?.cause).toMatchObject({ what: 'login as root was refused' })
  })

  test('of a shell that is gone is no problem, and a defect of provision is none of the host', async () => {
    const host = await localHost()
    expect(await killOverdue(host.target)('0'.repeat(32), 1000)).toBeUndefined()
    await expect(killOverdue({ ...host.target, keys: undefined as never })('0'.repeat(32), 1000)).rejects.toThrow(TypeError)
  })
})
