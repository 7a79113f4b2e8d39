import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { plainMotion } from '../../../src/report/plain.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

test('what takes long is named once, however often it is said meanwhile; what is over soon is not', () => {
  const lines: string[] = []
  const motion = plainMotion((text) => lines.push(text))
  for (let second = 0; second < 20; second += 2) {
    motion.doing('web-01', `waiting for the lock: locked by ops on desk (dpkg(${second}))`)
    vi.advanceTimersByTime(2000)
  }
  expect(lines).toEqual(['web-01  waiting for the lock: locked by ops on desk (dpkg(4))\n'])
  motion.doing('web-01', 'writing /etc/motd')
  vi.advanceTimersByTime(4000)
  motion.doing('web-01', undefined)
  vi.advanceTimersByTime(60_000)
  expect(lines).toHaveLength(1)
})
