import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { labDown } from '../../src/lab/index.ts'
import type { Bench } from '../faults/bench.ts'
import { MORE, oneHost } from '../faults/bench-one.ts'
import { randomOf, sample } from '../faults/draw.ts'
import { pointsOf, unsynced } from '../faults/points.ts'
import { rowsOf, tableOf } from '../faults/tally.ts'
import { Trials } from '../faults/trials.ts'

// A few of the points that `npm run test:faults` tries, others in every run.
const seed = Number(process.env.FAULTS_SEED ?? Math.floor(Date.now() / 1000) % 100_000)
const random = randomOf(seed)

let bench: Bench | undefined
let trials: Trials
beforeAll(async () => {
  bench = await oneHost('t-faults', '10.79.96')
  trials = new Trials(bench, 'everything', MORE)
  await trials.settle()
})
afterAll(async () => {
  if (trials !== undefined) process.stdout.write(`${tableOf(rowsOf(trials.tried))}\nFAULTS_SEED=${seed}\n`)
  if (bench === undefined) return
  await labDown(bench.spec)
  bench.project.remove()
})

describe(`an interrupted run (seed ${seed})`, () => {
  it.each(['controller', 'network', 'session', 'shell', 'power'] as const)(
    '%s: the next one ends where an undisturbed one does',
    async (way) => {
      const { requests, calls } = trials.ways.get(trials.next) ?? { requests: 0, calls: new Map() }
      const between = Array.from({ length: requests }, (_, at) => ({ way, at: at + 1 }))
      const points = way === 'shell' || way === 'power' ? pointsOf(calls.get('host-01') ?? [], way, 'host-01') : between
      for (const point of sample(points, 1, random)) {
        const { where, failed, differs } = await trials.try(point)
        expect({ where, failed, differs }).toEqual({ where: expect.stringContaining(way), failed: undefined, differs: [] })
      }
      expect(points.length).toBeGreaterThan(20)
    },
  )

  it('flushes every file to disk before its rename', () => {
    for (const { calls } of trials.ways.values()) {
      const all = calls.get('host-01') ?? []
      expect(all.filter(({ call, by }) => call === 'rename' && ['mv', 'perl'].includes(by)).length).toBeGreaterThan(20)
      expect(unsynced(all)).toEqual([])
    }
  })
})
