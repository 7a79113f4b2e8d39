import { expect, it } from 'vitest'
import { keyOf } from '../../../src/resource/kind/kind.ts'
import type { State } from '../../faults/database-states.ts'
import { allIn, kinds } from './declared.ts'

/** Kinds with a difference between the states: other options, or declared in one state only. */
const kindsThatDiffer = (): readonly string[] => {
  const texts = (state: State) => allIn(state).map((one) => `${one.kind.name}\0${keyOf(one)}\0${JSON.stringify(one.spec)}`)
  const [a, b] = [texts('a'), texts('b')]
  const differing = [...a.filter((text) => !b.includes(text)), ...b.filter((text) => !a.includes(text))]
  return [...new Set(differing.map((text) => text.split('\0')[0] ?? ''))].sort()
}

// The kind that ends the topology replica: it is not part of both directions.
const ONE_WAY = ['unreplicated']

// A reboot takes longer than all other changes together: test/full/reboot.test.ts interrupts it. A lab host is a container, where swap is
// refused: test/unit/resource/system/swap.test.ts interrupts it on this machine. A mesh has several hosts: test/full/wireguard.test.ts.
const ELSEWHERE = ['reboot', 'swap', 'wireguard']

// Kinds that a role uses as a part of several resources.
const PARTS = ['tree']

it('every kind that a role can use differs between the two states of the fault tests', () => {
  expect(kinds.length).toBeGreaterThanOrEqual(20)
  expect([...kindsThatDiffer(), ...ONE_WAY, ...ELSEWHERE].sort()).toEqual([...new Set([...kinds, ...PARTS])].sort())
})
