import { expect, it } from 'vitest'
import { keyOf } from '../../../src/resource/kind/kind.ts'
import type { State } from '../../faults/database-states.ts'
import { allIn, kinds } from './declared.ts'

/** The kinds of which something differs between the states: declared otherwise, or in one of them only. */
const kindsThatDiffer = (): readonly string[] => {
  const texts = (state: State) => allIn(state).map((one) => `${one.kind.name}\0${keyOf(one)}\0${JSON.stringify(one.spec)}`)
  const [a, b] = [texts('a'), texts('b')]
  const differing = [...a.filter((text) => !b.includes(text)), ...b.filter((text) => !a.includes(text))]
  return [...new Set(differing.map((text) => text.split('\0')[0] ?? ''))].sort()
}

// What ends the topology replica for good: there is no way to and fro of which it is a part.
const ONE_WAY = ['unreplicated']

it('every kind that a role can use differs between the two states of a run that is cut', () => {
  expect(kinds.length).toBeGreaterThanOrEqual(20)
  expect([...kindsThatDiffer(), ...ONE_WAY].sort()).toEqual([...new Set(kinds)].sort())
})
