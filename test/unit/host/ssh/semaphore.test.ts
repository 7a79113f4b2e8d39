import { expect, test } from 'vitest'
import { adaptiveSemaphore } from '../../../../src/host/ssh/semaphore.ts'

const never = (): boolean => false

/** Tasks under a limit: `start` begins some, `end` settles one, `began` lists those that run or have run. */
const workload = (most: number) => {
  const limit = adaptiveSemaphore(most)
  const began: number[] = []
  const ends: ((outcome: object | Error) => void)[] = []
  const start = (count: number, isOverloaded: (outcome: object) => boolean = never): readonly Promise<unknown>[] =>
    Array.from({ length: count }, () => {
      const i = ends.length
      const { promise, resolve, reject } = Promise.withResolvers<object>()
      ends.push((outcome) => (outcome instanceof Error ? reject(outcome) : resolve(outcome)))
      const done = limit(async () => {
        began.push(i)
        return await promise
      }, isOverloaded)
      done.catch(() => {})
      return done
    })
  const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))
  const end = async (i: number, outcome: object | Error = {}): Promise<void> => {
    ends[i]?.(outcome)
    await settled()
  }
  return { start, end, began, settled }
}

test('limits concurrent work, keeps its order, and continues after a failure', async () => {
  const { start, end, began, settled } = workload(2)
  const work = start(4)
  await settled()
  expect(began).toEqual([0, 1])
  await end(0, new Error('failed'))
  expect(began).toEqual([0, 1, 2])
  await end(1)
  expect(began).toEqual([0, 1, 2, 3])
  await end(2)
  await end(3)
  expect((await Promise.allSettled(work)).map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled', 'fulfilled'])
  start(3)
  await settled()
  expect(began).toEqual([0, 1, 2, 3, 4, 5])
})

test('runs half as much after an overload, and one more after every success', async () => {
  const { start, end, began, settled } = workload(8)
  start(20, (outcome) => 'tries' in outcome || 'error' in outcome)
  await settled()
  expect(began).toHaveLength(8)
  // Four may run, and seven do.
  await end(0, { tries: 6 })
  expect(began).toHaveLength(8)
  // Two may run, and six do.
  await end(1, new Error('late'))
  for (const i of [2, 3, 4]) await end(i)
  // Five may run, and three of the first eight do.
  expect(began).toHaveLength(10)
  await end(5)
  expect(began).toHaveLength(12)
})

test('always runs one piece of work', async () => {
  const { start, end, began, settled } = workload(2)
  start(4, () => true)
  await settled()
  for (const i of [0, 1, 2]) await end(i)
  expect(began).toEqual([0, 1, 2, 3])
})
