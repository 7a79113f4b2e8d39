import { readFileSync } from 'node:fs'
import type { PlanContext } from '../../../src/resource/kind/kind.ts'

/** What a host answered, one with Debian 12 by default; `␀` stands for NUL in the file, so that it stays text. */
export const recorded = (name: string, release = 'debian-12'): Buffer =>
  Buffer.from(readFileSync(new URL(`../../fixtures/${release}/${name}.txt`, import.meta.url), 'utf8').replaceAll('␀', '\0'))

/** Nothing else is planned. */
export const context: PlanContext = { now: new Date(0), packagesPending: false, changes: () => false, members: () => new Map() }
