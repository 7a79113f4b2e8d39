import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { queryHost } from '../engine/observe/host-query.ts'
import type { AnyKind, Change, PlanContext, Work } from '../resource/kind/kind.ts'
import { programsStartedBy, runWith } from './programs.ts'
import { scriptOf } from './query-script.ts'
import { stepsOf } from './steps.ts'

/** A kind, and samples of its resources. Values that differ between two samples contain `sample` and its number. */
export interface LawSubject {
  readonly kind: AnyKind
  /** Options of the i-th sample. */
  options(i: number): object
  /** State of a host on which the i-th sample is as declared. */
  asDeclared(i: number): unknown
  /** State of a host that has nothing of the 7th sample. */
  readonly missing: unknown
  /** How `apply` keeps a change by hand since the observation, if it never refuses one. */
  readonly keepsChangeByHand?: string
}

/** A law of kinds. `hold` throws an assertion error if the subject breaks it. */
export interface Law {
  readonly title: string
  hold(subject: LawSubject): void
}

const context: PlanContext = { now: new Date(0), packagesPending: false, changes: () => false, members: () => new Map() }
const CREATE: Change = { action: 'create', certainty: 'exact', reason: 'missing', differences: [] }
const specOf = ({ kind, options }: LawSubject, i: number): unknown => kind.schema.parse(options(i))

const workOf = (subject: LawSubject, i: number): Work<unknown, unknown> => {
  const spec = specOf(subject, i)
  return { id: subject.kind.id(spec), spec, state: subject.missing, change: CREATE }
}

/** The laws for every kind, shipped or not. They need no test runner. */
export const laws: readonly Law[] = [
  {
    title: 'says what happens to a resource that no role declares any more',
    hold: ({ kind }) => assert.notEqual(kind.orphan, undefined),
  },
  {
    title: 'plans no change on a host that is as declared',
    hold: (subject) => assert.equal(subject.kind.plan(specOf(subject, 1), subject.asDeclared(1), context), undefined),
  },
  {
    title: 'gives each resource a stable identity of its own',
    hold: (subject) => {
      const id = (i: number): string => subject.kind.id(specOf(subject, i))
      assert.equal(id(1), id(1))
      assert.notEqual(id(1), id(2))
    },
  },
  {
    title: 'starts as many programs to observe 200 resources as for one',
    hold: (subject) => {
      const [one, many] = [[1], Array.from({ length: 200 }, (_, i) => i)].map((samples) =>
        programsStartedBy(scriptOf(subject.kind.observe(samples.map((i) => specOf(subject, i))))),
      )
      assert.deepEqual(many, one)
    },
  },
  {
    title: 'never reads the silence of a program',
    hold: (subject) => {
      const spec = specOf(subject, 1)
      const resource = { kind: subject.kind, id: subject.kind.id(spec), spec }
      const query = queryHost('host', [{ play: 0, role: 'role', resource }])
      for (const program of new Set(programsStartedBy(query.script)))
        for (const failing of ['exit 126', `PATH=$OLD; ${program} "$@"; exit 137`]) {
          const { stdout, status } = runWith(query.script, (name, run) => (name === program ? failing : run))
          assert.throws(() => query.read(stdout, status ?? 255), /did not report/, `${program} failed and nobody noticed: ${failing}`)
        }
    },
  },
  {
    title: 'refuses to write over what was not observed, in the request that writes',
    hold: (subject) => {
      const states = [subject.missing, subject.asDeclared(7)]
      const steps = states.flatMap((state) => stepsOf(subject.kind.apply([{ ...workOf(subject, 7), state }]))).join('\n')
      // A script that compares ends with these words and the status `CHANGED`.
      const compares = / is not as it was observed| and was observed as /.test(steps)
      if (subject.keepsChangeByHand === undefined) assert.ok(compares, 'no step compares the resource with what was observed')
      else assert.ok(!compares, `a step compares, although ${subject.keepsChangeByHand}`)
    },
  },
  {
    title: 'changes only the resource that the plan names',
    hold: (subject) => {
      const wordsOf = (i: number): string => {
        const steps = stepsOf(subject.kind.apply([workOf(subject, i)]))
        assert.ok(steps.length > 0, 'no step')
        return steps.join('\n')
      }
      const names = (words: string, i: number): boolean => new RegExp(`sample${i}(?![0-9])`).test(words)
      const [one, seven] = [wordsOf(1), wordsOf(7)]
      // Each sample can be recognized in its own steps, so its absence from those of another one means something. A state of the 7th
      // sample gives the first one nothing to do.
      assert.ok(one.includes('sample1') || names(inspect(subject.missing, { depth: null }), 7), 'no step for the first resource')
      assert.ok(seven.includes('sample7'), 'no step for the resource')
      assert.ok(!names(seven, 1) && !seven.includes(workOf(subject, 1).id), 'a step for another resource')
    },
  },
]
