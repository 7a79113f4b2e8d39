import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import { type Dropped, nextPause, patiently } from '../../../../src/host/ssh/patience.ts'
import type { Limit } from '../../../../src/host/ssh/semaphore.ts'
import type { Target } from '../../../../src/host/target/connection.ts'
import { Problem } from '../../../../src/problem.ts'

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

test('a dropped connection is tried a number of times, unless the attempts took twenty seconds', () => {
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
  expect(pauses(3)).toEqual([300, 600])
  expect([nextPause(2, 20_000, 6), nextPause(2, 20_001, 6)]).toEqual([600, undefined])
})

/** Fails the first attempts of a host, each after some seconds. Returns what the limit was told of each, and the problem. */
const dropping = async (seconds: number) => {
  vi.useFakeTimers({ toFake: ['Date'] })
  onTestFinished(() => void vi.useRealTimers())
  // No pauses.
  vi.spyOn(Math, 'random').mockReturnValue(-0.5)
  const judged: boolean[] = []
  const limit: Limit = async (work, isOverloaded) => {
    const result = await work()
    judged.push(isOverloaded(result))
    // Waiting for a place is no attempt.
    vi.setSystemTime(Date.now() + 60_000)
    return result
  }
  const dropped = new Problem({ class: 'unreachable', where: { host: 'web-01' }, what: 'dropped', fix: 'wait' })
  const attempt = async (): Promise<Dropped> => {
    vi.setSystemTime(Date.now() + seconds * 1000)
    return { dropped, tries: 6 }
  }
  const target = { name: 'web-01' } as Target
  const done = patiently(target, {}, attempt, limit)
  expect(await done.catch((error: unknown) => error)).toBe(dropped)
  return judged
}

test('a host that drops connections narrows the limit once, and after a long time without an answer it is not tried again', async () => {
  expect(await dropping(0)).toEqual([true, false, false, false, false, false])
  expect(await dropping(9)).toEqual([true, false, false])
})

test('pauses vary by half', () => {
  const random = vi.spyOn(Math, 'random')
  expect([0, 0.999].map((value) => nextPause(1, 0) && random.mockReturnValue(value) && Math.round(nextPause(1, 0) ?? 0))).toEqual([
    150, 450,
  ])
})
