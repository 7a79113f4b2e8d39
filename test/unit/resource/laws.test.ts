import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineKind } from '../../../src/resource/kind/kind.ts'
import { sh } from '../../../src/shell/sh.ts'
import { type LawSubject, laws } from '../../../src/testing/laws.ts'
import { allKinds } from './all-kinds.ts'
import { listed, SAMPLES, seenNothing } from './samples.ts'

it('every shipped kind is tested by the laws', () => {
  expect(Object.keys(SAMPLES).sort()).toEqual([...allKinds.keys()].sort())
})

it('a kind that changes more than the plan named breaks a law', () => {
  const all: string[] = []
  const greedy = defineKind({
    name: 'greedy',
    schema: z.strictObject({ name: z.string().refine((name) => all.push(name) > 0) }),
    id: ({ name }) => name,
    observe: () => ({ script: sh``, parse: () => new Map() }),
    plan: () => undefined,
    *apply() {
      yield { do: 'shell', script: sh`touch ${all}` }
    },
  })
  const subject: LawSubject = { kind: greedy.kind, options: (i) => ({ name: `sample${i}` }), asDeclared: () => '', missing: '' }
  const law = laws.find(({ title }) => title === 'changes only the resource that the plan names')
  expect(() => law?.hold(subject)).toThrow('a step for another resource')
})

/** Kinds that never write over a change by hand, each with the reason. */
const KEEPS_CHANGE_BY_HAND: Readonly<Record<string, string>> = {
  command: 'its condition is evaluated again in the same request, and what it writes is unknown',
  reboot: 'whether the system asks for it is asked again, and a boot writes nothing',
  wait: 'it changes nothing',
  script: 'its condition is evaluated again in the same request, and what it writes is unknown',
  'database-dump': 'a table that exists meanwhile is not restored',
  drained: 'it enables only hosts whose marks of an interrupted run are still there',
}

describe.each(listed)('$name', ({ name, kind, sample }) => {
  const missing = name === 'nftables' ? {} : seenNothing(name)
  const keeps = KEEPS_CHANGE_BY_HAND[name]
  const subject: LawSubject = {
    ...{ kind, options: sample.options, asDeclared: sample.asWanted, missing },
    ...(keeps !== undefined && { keepsChangeByHand: keeps }),
  }

  it.each(laws)('$title', { timeout: 30_000 }, ({ hold }) => hold(subject))
})
