import { expect, test } from 'vitest'
import { semaphore } from '../../../../src/host/ssh/semaphore.ts'

test('limits concurrent work, keeps its order, and continues after a failure', async () => {
  const enter = semaphore(2)
  const began: number[] = []
  const ends: (() => void)[] = []
  const work = [0, 1, 2, 3].map((i) =>
    enter(async () => {
      began.push(i)
      await new Promise<void>((end) => ends.push(end))
      if (i === 0) throw new Error('failed')
      return i
    }),
  )
  const settled = Promise.allSettled(work)
  await expect.poll(() => began).toEqual([0, 1])
  ends[0]?.()
  await expect.poll(() => began).toEqual([0, 1, 2])
  ends[1]?.()
  await expect.poll(() => began).toEqual([0, 1, 2, 3])
  ends[2]?.()
  ends[3]?.()
  expect((await settled).map((result) => result.status)).toEqual(['rejected', 'fulfilled', 'fulfilled', 'fulfilled'])
})

test('is as wide as before when all work is done', async () => {
  const enter = semaphore(2)
  await Promise.all([1, 2, 3].map(() => enter(async () => {})))
  let running = 0
  const ends: (() => void)[] = []
  const work = [1, 2, 3].map(() =>
    enter(async () => {
      running += 1
      await new Promise<void>((end) => ends.push(end))
    }),
  )
  await new Promise(setImmediate)
  expect(running).toBe(2)
  ends[0]?.()
  await expect.poll(() => running).toBe(3)
  for (const end of ends) end()
  await Promise.all(work)
})
