// Runs before each test file of the first round: collects the functions that it calls.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect } from 'vitest'

const reached = new Set<string>()
Object.assign(globalThis, { reached: (place: string) => reached.add(place) })
const started = performance.now()

afterAll(() => {
  const test = expect.getState().testPath ?? ''
  const file = join(process.env.MUTANTS_REACH ?? '', `${encodeURIComponent(test)}.json`.slice(-200))
  writeFileSync(file, JSON.stringify({ test, milliseconds: performance.now() - started, places: [...reached] }))
})
