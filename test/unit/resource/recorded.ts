import { readFileSync } from 'node:fs'
import type { PlanContext } from '../../../src/resource/kind/kind.ts'

/** What a Debian 12 host answered; `␀` stands for NUL in the file, so that it stays text. */
export const recorded = (name: string): Buffer =>
  Buffer.from(readFileSync(new URL(`../../fixtures/debian-12/${name}.txt`, import.meta.url), 'utf8').replaceAll('␀', '\0'))

/** Nothing else is planned. */
export const context: PlanContext = { now: new Date(0), packagesPending: false, changes: () => false, members: () => new Map() }
