import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Problem, problemsIn } from '../../../src/problem.ts'
import type { Change, Kind, PlanContext, Work } from '../../../src/resource/kind/kind.ts'
import { type Answer, ControllerFailure, HostRefusal, type Step, type Steps } from '../../../src/resource/kind/step.ts'
import { kinds } from '../faults/declared.ts'
import { everything } from './every-kind.ts'
import { answer, type Dice, dice, sayings, section } from './host.ts'

type AnyKind = Kind<unknown, unknown, unknown>

const HOSTS = ['host-01', 'host-02', 'host-03']
const byKind = Map.groupBy(everything, ({ kind }) => kind.name)

it('something of every kind that a role can use is asked here', () => {
  expect(kinds.filter((name) => !byKind.has(name))).toEqual([])
})

/** What is told of the one host, or refused: whatever else is thrown ends the run for all hosts as a defect. */
const isTold = (error: unknown): boolean =>
  error instanceof HostRefusal || problemsIn(error) !== undefined || (error instanceof ControllerFailure && isTold(error.cause))

const expectTold = (error: unknown): void => {
  if (!isTold(error)) throw error
}

/** A resource of a kind, and what a host that says what it likes is taken for; undefined where it is not believed. */
const look = (name: string, d: Dice) => {
  const [first, ...rest] = byKind.get(name) ?? []
  if (first === undefined) throw new Error(`nothing is of kind ${name}`)
  const resource = d.one([first, ...rest])
  const kind = resource.kind as unknown as AnyKind
  const seen = () => {
    const probe = kind.observe([resource.spec])
    try {
      return probe.parse(section(d), sayings(d, probe.shared)).get(resource.id)
    } catch {
      // An observation is refused in the words of whatever was thrown, as a problem of that host.
      return undefined
    }
  }
  // It is asked again, as a host is that has nothing else: some look is believed.
  let own = seen()
  for (let i = 0; own === undefined && i < 20; i++) own = seen()
  if (own === undefined) return undefined
  const members = new Map(HOSTS.flatMap((host) => [[host, seen()] as const]).filter(([, one]) => one !== undefined))
  return { kind, resource, seen: own, members }
}

const worldOf = (d: Dice, members: ReadonlyMap<string, unknown>): PlanContext => ({
  now: new Date(),
  packagesPending: d.chance(0.2),
  changes: () => d.chance(0.3),
  members: () => members,
  allowDataLoss: new Set(d.chance(0.3) ? HOSTS : []),
})

const SOME: Change = { action: 'update', certainty: 'dependent', reason: 'x', differences: [] }

/** Carries steps out against such a host: the number of them. */
const carryOut = (steps: Steps, answers: (step: Step) => Answer | Problem): number => {
  let count = 0
  for (let next = steps.next(); next.done !== true; count++) {
    if (count > MOST_STEPS) throw new Error('it does not end')
    const given = answers(next.value)
    next = given instanceof Problem ? steps.throw(given) : steps.next(given)
  }
  return count
}

const MOST_STEPS = 5000

const lost = new Problem({ class: 'unreachable', where: { host: 'h' }, what: 'was lost', fix: 'bring it back' })

describe.each([...byKind.keys()])('what a host says of a %s', (name) => {
  let believed = 0

  it('never ends the planning, whatever it is taken for', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const d = dice(seed)
        const looked = look(name, d)
        if (looked === undefined) return
        believed += 1
        const { kind, resource, seen, members } = looked
        const context = worldOf(d, members)
        try {
          const verdict = kind.plan(resource.spec, seen, context) ?? SOME
          kind.notices?.(resource.spec, seen, context)
          kind.forbids?.(resource.spec, seen, context)
          const work = { id: resource.id, spec: resource.spec, state: seen, change: verdict }
          const before = kind.before?.([work]).read(section(d))
          kind.diff?.(work, before?.get(resource.id))
        } catch (error) {
          expectTold(error)
        }
      }),
      { numRuns: 100 },
    )
    expect(believed).toBeGreaterThan(0)
  })

  it('never ends a change but as refused, and it ends', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const d = dice(seed)
        const looked = look(name, d)
        if (looked === undefined) return
        const { kind, resource, seen, members } = looked
        const context = worldOf(d, members)
        const verdict = kind.plan(resource.spec, seen, context) ?? SOME
        const allowDataLoss = context.allowDataLoss ?? new Set()
        const work: Work<unknown, unknown> = {
          id: resource.id,
          spec: resource.spec,
          state: seen,
          change: verdict,
          members: () => members,
          allowDataLoss,
        }
        const answers = (step: Step) => (d.chance(0.01) ? lost : answer(d, 'script' in step ? String(step.script) : ''))
        for (const steps of [kind.apply([work]), kind.revert?.([work])])
          try {
            if (steps !== undefined) carryOut(steps, answers)
          } catch (error) {
            expectTold(error)
          }
      }),
      // Those that speak with several hosts ask many times before they decide anything.
      { numRuns: ['replication', 'galera'].includes(name) ? 800 : 100 },
    )
  })
})
