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

test('nothing is printed after the end, and no timer is left', async () => {
  const lines = linesOf((activity) => {
    activity.doing('web-01', 'installing nginx')
    activity.stop()
  })
  expect(vi.getTimerCount()).toBe(0)
  expect(lines).toEqual([])
})
