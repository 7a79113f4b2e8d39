import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { plainMotion } from '../../../src/report/plain.ts'
import { change } from './values.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const told = (act: (motion: ReturnType<typeof plainMotion>) => void): readonly string[] => {
  const lines: string[] = []
  act(plainMotion((text) => lines.push(text)))
  return lines
}

test('what takes long is named once, however often it is said meanwhile; what is over soon is not', () => {
  const lines = told((motion) => {
    for (let second = 0; second < 20; second += 2) {
      motion.doing('web-01', `waiting for the lock: locked by ops on desk (dpkg(${second}))`)
      vi.advanceTimersByTime(2000)
    }
    motion.doing('web-01', 'writing /etc/motd')
    vi.advanceTimersByTime(4000)
    motion.doing('web-01', undefined)
    vi.advanceTimersByTime(600_000)
  })
  expect(lines).toEqual(['web-01  waiting for the lock: locked by ops on desk (dpkg(4))\n'])
})

test('what goes on is said again every minute, as it is then, until something else is said of the host', () => {
  const lines = told((motion) => {
    motion.doing('web-01', 'waiting for dpkg: apt (pid 7)')
    vi.advanceTimersByTime(100_000)
    motion.doing('web-01', 'waiting for dpkg: apt (pid 9)')
    vi.advanceTimersByTime(30_000)
    motion.changed('applied', change('web-01', 'package:nginx'), 130_000)
    vi.advanceTimersByTime(600_000)
  })
  expect(lines).toEqual([
    'web-01  waiting for dpkg: apt (pid 7)\n',
    'web-01  still waiting for dpkg: apt (pid 7) (1 min)\n',
    'web-01  still waiting for dpkg: apt (pid 9) (2 min)\n',
    'web-01  create package nginx  2 min 10 s\n',
  ])
})

test('many short things are no silence either', () => {
  const lines = told((motion) => {
    for (let i = 0; i < 60; i += 1) {
      motion.doing('web-01', `unpacking package-${i}`)
      vi.advanceTimersByTime(3000)
    }
  })
  expect(lines).toEqual(['web-01  unpacking package-19\n', 'web-01  unpacking package-39\n', 'web-01  unpacking package-59\n'])
})

test('nothing is said of a host after the end, and nothing waits for it', async () => {
  const lines = told((motion) => {
    motion.doing('web-01', 'installing nginx')
    motion.stop()
  })
  expect(vi.getTimerCount()).toBe(0)
  expect(lines).toEqual([])
})
