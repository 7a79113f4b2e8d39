import { describe, expect, it } from 'vitest'
import type { Event } from '../../../src/engine/events.ts'
import { unplannedOf } from '../../../src/engine/plan/plan.ts'
import { RunProgress } from '../../../src/engine/progress.ts'
import { LockedHost } from '../../../src/host/shell/lock.ts'
import { Problem } from '../../../src/problem.ts'
import { change } from '../report/values.ts'

const problem = (host: string, sort: 'task' | 'unreachable' = 'task'): Problem =>
  new Problem({ class: sort, where: { host }, what: 'broken', fix: 'repair it' })
const progressOf = () => {
  const events: Event[] = []
  return { progress: new RunProgress((event) => events.push(event)), events }
}

describe('the progress of a run', () => {
  it('counts applied and failed changes by host, and excludes a host with a failed one', () => {
    const { progress, events } = progressOf()
    progress.applied(change('a', 'file:/x'), 5)
    progress.applied(change('a', 'file:/y'), 5)
    progress.fail(change('b', 'file:/x'), [problem('b')])
    expect([progress.changed('a'), progress.failed('a'), progress.changed('b'), progress.failed('b')]).toEqual([2, 0, 0, 1])
    expect([progress.isExcluded('a'), progress.isExcluded('b'), progress.isLost('b'), progress.writes]).toEqual([false, true, false, 3])
    expect(progress.problems).toHaveLength(1)
    expect(progress.isApplied(change('a', 'file:/x'))).toBe(true)
    expect(progress.isApplied(change('b', 'file:/x'))).toBe(false)
    expect(events.map((event) => event.type === 'change' && `${event.phase} ${event.durationMs}`)).toEqual([
      'applied 5',
      'applied 5',
      'failed undefined',
    ])
    expect(progress.prediction).toEqual({ predicted: 2, actual: 3 })
  })

  it('takes a host for lost only if this host is unreachable', () => {
    const { progress } = progressOf()
    progress.exclude('a', [problem('lb', 'unreachable')])
    progress.exclude('b', [problem('b', 'unreachable')])
    expect([progress.isLost('a'), progress.isLost('b'), progress.isLost('lb'), progress.isExcluded('lb')]).toEqual([
      false,
      true,
      false,
      false,
    ])
  })

  it('counts a reverted change neither as applied nor as predicted, and its host as touched', () => {
    const { progress, events } = progressOf()
    progress.applied(change('a', 'file:/x'), 1)
    progress.reverted(change('a', 'file:/x'))
    expect([progress.changed('a'), progress.isApplied(change('a', 'file:/x')), progress.isTouched('a'), progress.isTouched('b')]).toEqual([
      0,
      false,
      true,
      false,
    ])
    expect(progress.prediction).toEqual({ predicted: 0, actual: 1 })
    expect(events.at(-1)).toMatchObject({ type: 'reverted', change: { resource: 'file:/x' } })
  })

  it('counts changes that no plan predicted', () => {
    const { progress } = progressOf()
    progress.applied(change('a', 'file:/x'), 1)
    progress.unpredicted += 2
    expect(progress.prediction).toEqual({ predicted: 1, actual: 3 })
  })

  it('knows deferred changes, and counts none of them', () => {
    const { progress, events } = progressOf()
    expect(progress.hasDeferred).toBe(false)
    progress.defer(change('a', 'certificate:x'), 'not renewed')
    expect([
      progress.hasDeferred,
      progress.isDeferred(change('a', 'certificate:x')),
      progress.isDeferred(change('b', 'certificate:x')),
    ]).toEqual([true, true, false])
    expect(events).toEqual([{ type: 'warning', host: 'a', role: 'nginx', what: 'not renewed' }])
    expect(progress.prediction).toEqual({ predicted: 0, actual: 0 })
  })

  it('measures how long a change took, and counts none that failed', async () => {
    const { progress, events } = progressOf()
    await progress.timed(change('a', 'file:/x'), () => new Promise((resolve) => setTimeout(resolve, 20)))
    const [event] = events
    expect(event?.type === 'change' && (event.durationMs ?? 0) >= 15).toBe(true)
    await expect(progress.timed(change('a', 'file:/y'), () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(progress.changed('a')).toBe(1)
  })
})

describe('a host without a plan', () => {
  const locked = (host: string) => new LockedHost({ class: 'task', where: { host }, what: 'locked', fix: 'wait' })
  it.each([
    ['unreachable', [problem('a', 'unreachable'), problem('b')], { unreachable: true }],
    ['unreachable without a problem of its own', [problem('b')], { unreachable: true }],
    ['busy', [locked('a'), problem('b')], { unreachable: false, unplanned: 'busy' }],
    ['not planned', [problem('a'), locked('b')], { unreachable: false, unplanned: 'failed' }],
    ['not planned if it is locked and something else failed', [locked('a'), problem('a')], { unreachable: false, unplanned: 'failed' }],
  ])('is %s', (_, problems, state) => {
    expect(unplannedOf('a', problems)).toEqual(state)
  })
})
