import { expect, test } from 'vitest'
import { z } from 'zod'
import { defineKind, type Kind } from '../../../src/resource/kind/kind.ts'
import { sh } from '../../../src/shell/sh.ts'
import { laws } from '../../../src/testing/laws.ts'
import { checkKind, kindChecks } from '../../../src/testing.ts'

interface Spec {
  readonly name: string
}

let count = 0

/** A kind that keeps the laws, with some members replaced. */
const kindWith = (members: Partial<Kind<Spec, Spec, string>> = {}) => {
  count += 1
  return defineKind<Spec, Spec, string>({
    name: `lawful-${count}`,
    schema: z.strictObject({ name: z.string() }),
    id: ({ name }) => name,
    observe: (specs) => ({
      script: sh`cat /dev/null && echo end`,
      parse: (stdout) => {
        if (!stdout.toString().endsWith('end\n')) throw new Error('the answer is incomplete')
        return new Map(specs.map(({ name }) => [name, 'absent']))
      },
    }),
    plan: (_, state) => (state === 'there' ? undefined : { action: 'create', certainty: 'exact', reason: 'missing', differences: [] }),
    *apply(work) {
      yield { do: 'shell', script: sh`echo ${work.map(({ id }) => `${id} is not as it was observed`)}` }
    },
    orphan: { keep: 'it is a test' },
    ...members,
  })
}

const samples = { options: (i: number) => ({ name: `sample${i}` }), asDeclared: () => 'there', missing: 'absent' }

test('a kind that keeps the laws passes', () => {
  checkKind(kindWith(), samples)
})

test('the laws can be checked one by one', () => {
  expect(kindChecks(kindWith(), samples).map(({ title }) => title)).toEqual(laws.map(({ title }) => title))
  const broken = kindChecks(kindWith({ id: () => 'one' }), samples).find(
    ({ title }) => title === 'gives each resource a stable identity of its own',
  )
  expect(() => broken?.check()).toThrow()
})

test('all broken laws are one error, with the name of the kind and each reason', () => {
  const kind = kindWith({ *apply() {}, plan: () => ({ action: 'update', certainty: 'exact', reason: 'always', differences: [] }) })
  let error: unknown
  try {
    checkKind(kind, samples)
  } catch (thrown) {
    error = thrown
  }
  expect(error).toBeInstanceOf(AggregateError)
  const { message, errors } = error as AggregateError
  expect(errors.length).toBe(3)
  expect(message.split('\n')[0]).toBe(`kind ${kind.kind.name} breaks 3 of ${laws.length} laws`)
  for (const reason of [
    '- plans no change on a host that is as declared: ',
    'no step compares the resource with what was observed',
    'no step',
  ])
    expect(message).toContain(reason)
})

test('a reason why changes of others are kept is passed on', () => {
  const kind = kindWith({
    *apply(work) {
      yield { do: 'shell', script: sh`echo ${work.map(({ id }) => id)}` }
    },
  })
  checkKind(kind, { ...samples, keepsChangeByHand: 'it only prints' })
  expect(() => checkKind(kind, samples)).toThrow('no step compares the resource with what was observed')
})
