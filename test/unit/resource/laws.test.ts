import { describe, expect, it } from 'vitest'
import { allKinds } from './all-kinds.ts'
import { type LawSubject, laws } from './laws.ts'
import { listed, SAMPLES, seenNothing } from './samples.ts'

it('every shipped kind is tested by the laws', () => {
  expect(Object.keys(SAMPLES).sort()).toEqual([...allKinds.keys()].sort())
})

describe.each(listed)('$name', ({ name, kind, sample }) => {
  const missing = name === 'nftables' ? {} : seenNothing(name)
  const subject: LawSubject = { kind, options: sample.options, asDeclared: sample.asWanted, missing }

  it.each(laws)('$title', ({ hold }) => hold(subject))
})
