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

it('every kind that a role can use is tested here', () => {
  expect(kinds.filter((name) => !byKind.has(name))).toEqual([])
})

/** Whether an error is a problem or refusal of one host. Any other error is a defect and ends the run for all hosts. */
const isHostProblem = (error: unknown): boolean =>
  error instanceof HostRefusal || problemsIn(error) !== undefined || (error instanceof ControllerFailure && isHostProblem(error.cause))

const expectHostProblem = (error: unknown): void => {
  if (!isHostProblem(error)) throw error
}

/** A resource of a kind, and the states that random answers produce; undefined if every answer is refused. */
const look = (name: string, d: Dice) => {
  const [first, ...rest] = byKind.get(name) ?? []
  if (first === undefined) throw new Error(`nothing is of kind ${name}`)
  const resource = d.one([first, ...rest])
  const kind = resource.kind as unknown as AnyKind
  const state = () => {
    const probe = kind.observe([resource.spec])
    try {
      return probe.parse(section(d), sayings(d, probe.shared)).get(resource.id)
    } catch {
      // Any error of an observation becomes a problem of that host.
      return undefined
    }
  }
  // Tries several random answers until one is accepted.
  let own = state()
  for (let i = 0; own === undefined && i < 20; i++) own = state()
  if (own === undefined) return undefined
  const members = new Map(HOSTS.flatMap((host) => [[host, state()] as const]).filter(([, one]) => one !== undefined))
  return { kind, resource, state: own, members }
}

const contextOf = (d: Dice, members: ReadonlyMap<string, unknown>): PlanContext => ({
  now: new Date(),
  packagesPending: d.chance(0.2),
  changes: () => d.chance(0.3),
  members: () => members,
  allowDataLoss: new Set(d.chance(0.3) ? HOSTS : []),
})

const SOME: Change = { action: 'update', certainty: 'dependent', reason: 'x', differences: [] }

/** Executes steps with answers of such a host. Returns their number. */
const executeSteps = (steps: Steps, answers: (step: Step) => Answer | Problem): number => {
  let count = 0
  for (let next = steps.next(); next.done !== true; count++) {
    if (count > MOST_STEPS) throw new Error('the steps do not end')
    const given = answers(next.value)
    next = given instanceof Problem ? steps.throw(given) : steps.next(given)
  }
  return count
}

const MOST_STEPS = 5000

const lost = new Problem({ class: 'unreachable', where: { host: 'h' }, what: 'was lost', fix: 'bring it back' })

describe.each([...byKind.keys()])('random answers about a %s', (name) => {
  let believed = 0

  it('are planned without an error', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const d = dice(seed)
        const observed = look(name, d)
        if (observed === undefined) return
        believed += 1
        const { kind, resource, state, members } = observed
        const context = contextOf(d, members)
        try {
          const change = kind.plan(resource.spec, state, context) ?? SOME
          kind.notices?.(resource.spec, state, context)
          kind.forbids?.(resource.spec, state, context)
          const work = { id: resource.id, spec: resource.spec, state: state, change: change }
          const before = kind.before?.([work]).read(section(d))
          kind.diff?.(work, before?.get(resource.id))
        } catch (error) {
          expectHostProblem(error)
        }
      }),
      { numRuns: 200 },
    )
    expect(believed).toBeGreaterThan(0)
  })

  it('end each change, at most with a refusal', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const d = dice(seed)
        const observed = look(name, d)
        if (observed === undefined) return
        const { kind, resource, state, members } = observed
        const context = contextOf(d, members)
        const change = kind.plan(resource.spec, state, context) ?? SOME
        const allowDataLoss = context.allowDataLoss ?? new Set()
        const work: Work<unknown, unknown> = {
          id: resource.id,
          spec: resource.spec,
          state: state,
          change,
          members: () => members,
          allowDataLoss,
        }
        const answers = (step: Step) => (d.chance(0.01) ? lost : answer(d, 'script' in step ? String(step.script) : ''))
        for (const steps of [kind.apply([work]), kind.revert?.([work])])
          try {
            if (steps !== undefined) executeSteps(steps, answers)
          } catch (error) {
            expectHostProblem(error)
          }
      }),
      // Kinds that query several hosts need many requests before a decision.
      { numRuns: ['replication', 'galera'].includes(name) ? 800 : 100 },
    )
  })
})
