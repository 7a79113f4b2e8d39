import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { randomOf, sample } from '../../../faults/draw.ts'
import { ATTACKS } from './attacks.ts'
import { type Ground, openGround } from './ground.ts'
import { EXEMPT, TARGETS } from './kinds.ts'
import { atOf, type Cell, type Outcome, play } from './play.ts'
import { tableOf } from './table.ts'

export interface Extent {
  /** Number of runs against each loop, whose result depends on chance; 0 skips loops. */
  readonly rounds: number
  /** Whether all paths of a kind are attacked, or the first. */
  readonly everyPath: boolean
  /** Number of attacks on each kind, others in every run; without it all. */
  readonly draws?: number
}

/** Runs attacks on every kind that can be declared in an account's directory, and prints the table. */
export const hostileKinds = (lab: string, subnet: string, { rounds, everyPath, draws = ATTACKS.length }: Extent): void => {
  const seed = Number(process.env.FAULTS_SEED ?? Math.floor(Date.now() / 1000) % 100_000)
  const random = randomOf(seed)
  let ground: Ground
  const results = new Map<string, Map<string, Outcome[]>>()
  beforeAll(async () => {
    ground = await openGround(lab, subnet)
  })
  afterAll(async () => {
    const columns = ATTACKS.map(({ name }) => name)
    process.stdout.write(`${tableOf(results, columns, EXEMPT)}\nFAULTS_SEED=${seed}\n`)
    await ground?.down()
  })

  const placesOf = (target: Cell['target'], id: string) => {
    const places = target.places(atOf(target, id))
    return everyPath ? places : places.slice(0, 1)
  }

  describe.each(TARGETS.map((target, row) => ({ ...target, target, row })))('$name', ({ name, target, row }) => {
    const played = ATTACKS.filter(({ loop }) => rounds > 0 || loop === undefined)
    const fitting = played.filter((attack) => placesOf(target, 'x').some((place) => attack.fits(place)))
    it.each(sample(fitting, draws, random).map((attack) => ({ attack: attack.name, how: attack })))('holds: $attack', async ({ how }) => {
      const outcomes: Outcome[] = []
      const columns = results.get(name) ?? new Map<string, Outcome[]>()
      results.set(name, columns.set(how.name, outcomes))
      for (const [i] of placesOf(target, 'x').entries()) {
        const id = `${row}-${ATTACKS.indexOf(how)}-${i}`
        const place = target.places(atOf(target, id))[i]
        if (place === undefined || !how.fits(place)) continue
        const { faults, ended } = await play(ground, id, { target, place, attack: how, rounds })
        const named = everyPath ? faults.map((fault) => `${place.path.replace(atOf(target, id), 'AT')}: ${fault}`) : faults
        outcomes.push({ faults: named, ended })
      }
      expect(outcomes.flatMap(({ faults }) => faults)).toEqual([])
    })
  })
}
