import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { plainActivity } from '../../../src/report/plain.ts'
import { change } from './values.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const linesOf = (act: (activity: ReturnType<typeof plainActivity>) => void): readonly string[] => {
  const lines: string[] = []
  act(plainActivity((text) => lines.push(text)))
  return lines
}

test('a long activity is printed once although it is repeated, and a short one is not printed', () => {
  const lines = linesOf((activity) => {
    for (let second = 0; second < 20; second += 2) {
      activity.doing('web-01', `waiting for the lock: locked by ops on desk (dpkg(${second}))`)
      vi.advanceTimersByTime(2000)
    }
    activity.doing('web-01', 'writing /etc/motd')
    vi.advanceTimersByTime(4000)
    activity.doing('web-01', undefined)
    vi.advanceTimersByTime(600_000)
  })
  expect(lines).toEqual(['web-01  waiting for the lock: locked by ops on desk (dpkg(4))\n'])
})

test('an activity that continues is printed every minute with its current text, until another line about the host', () => {
  const lines = linesOf((activity) => {
    activity.doing('web-01', 'waiting for dpkg: apt (pid 7)')
    vi.advanceTimersByTime(100_000)
    activity.doing('web-01', 'waiting for dpkg: apt (pid 9)')
    vi.advanceTimersByTime(30_000)
    activity.changed('applied', change('web-01', 'package:nginx'), 130_000)
    vi.advanceTimersByTime(600_000)
  })
  expect(lines).toEqual([
    'web-01  waiting for dpkg: apt (pid 7)\n',
    'web-01  still waiting for dpkg: apt (pid 7) (1 min)\n',
    'web-01  still waiting for dpkg: apt (pid 9) (2 min)\n',
    'web-01  create package nginx  2 min 10 s\n',
  ])
})

test('many short activities are printed once a minute', () => {
  const lines = linesOf((activity) => {
    for (let i = 0; i < 60; i += 1) {
      activity.doing('web-01', `unpacking package-${i}`)
      vi.advanceTimersByTime(3000)
    }
  })
  expect(lines).toEqual(['web-01  unpacking package-19\n', 'web-01  unpacking package-39\n', 'web-01  unpacking package-59\n'])
})

test('each change is a line with its time, if that is long enough to matter', () => {
  const lines = linesOf((activity) => {
    activity.start('Applying', undefined as never)
    activity.changed('applied', change('a', 'file:/x'), 49)
    activity.changed('applied', change('a', 'file:/x', { action: 'delete' }), undefined)
    activity.changed('failed', change('a', 'file:/x\ny'), 50)
    activity.rolling({ type: 'rolling', phase: 'out', host: 'a', at: 'lb', durationMs: 400 })
    activity.rolling({ type: 'rolling', phase: 'back', host: 'a', at: 'lb', durationMs: 12_000 })
    activity.title('Finishing')
  })
  expect(lines).toEqual([
    'a  create file /x\n',
    'a  delete file /x\n',
    'a  FAILED create file /x y  0.1 s\n',
    'a  drained from lb  0.4 s\n',
    'a  returned to lb  12 s\n',
    'Finishing\n',
  ])
})

test('a host that is drained ends its activity, and others continue', () => {
  const lines = linesOf((activity) => {
    activity.doing('a', 'draining')
    activity.doing('b', 'installing')
    activity.rolling({ type: 'rolling', phase: 'out', host: 'a', at: 'lb', durationMs: 400 })
    vi.advanceTimersByTime(6000)
  })
  expect(lines).toEqual(['a  drained from lb  0.4 s\n', 'b  installing\n'])
})

test('nothing is printed after the end, and no timer is left', async () => {
  const lines = linesOf((activity) => {
    activity.doing('web-01', 'installing nginx')
    activity.stop()
  })
  expect(vi.getTimerCount()).toBe(0)
  expect(lines).toEqual([])
})
