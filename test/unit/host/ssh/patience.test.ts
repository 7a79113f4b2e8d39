import { afterEach, expect, test, vi } from 'vitest'
import { nextPause } from '../../../../src/host/ssh/patience.ts'

afterEach(() => void vi.restoreAllMocks())

/** The pauses for a host that is refused at once every time. */
const pauses = (tries?: number): readonly number[] => {
  const all: number[] = []
  for (let spent = 0; ; ) {
    const pause = nextPause(all.length + 1, spent, tries)
    if (pause === undefined) return all
    all.push(pause)
    spent += pause
  }
}

test('a host that nothing connects to is tried for ten seconds, with growing pauses', () => {
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
  expect(pauses()).toEqual([300, 600, 1200, 2000, 2000, 2000])
  expect(nextPause(1, 9_701)).toBeUndefined()
  expect(nextPause(1, 9_700)).toBe(300)
})

test('a dropped connection is tried a number of times, without a time limit', () => {
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
  expect(pauses(3)).toEqual([300, 600])
  expect(nextPause(2, 60_000, 6)).toBe(600)
})

test('pauses vary by half', () => {
  const random = vi.spyOn(Math, 'random')
  expect([0, 0.999].map((value) => nextPause(1, 0) && random.mockReturnValue(value) && Math.round(nextPause(1, 0) ?? 0))).toEqual([
    150, 450,
  ])
})
