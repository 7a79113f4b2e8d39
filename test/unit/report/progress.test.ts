import { describe, expect, test } from 'vitest'
import { Progress } from '../../../src/report/progress.ts'
import { change, plainView, planOf } from './values.ts'

const plan = planOf(change('web-01', 'file:/a'), change('web-01', 'file:/b'), change('web-02', 'file:/a'))

describe('progress', () => {
  test('shows activity, progress and duration of each active host', () => {
    const progress = new Progress(['lb-01', 'web-01', 'web-02'], plan, 0)
    progress.listen({ type: 'host', host: 'web-01', state: 'applying' }, 1000)
    progress.listen({ type: 'doing', host: 'web-01', what: 'installing nginx' }, 2000)
    progress.listen({ type: 'change', phase: 'applied', change: change('web-01', 'file:/a') }, 3000)
    progress.listen({ type: 'host', host: 'web-02', state: 'waiting' }, 3000)
    expect(progress.lines('Applying', plainView, 20, 12_000)).toEqual(['Applying  1/3  12 s', '  web-01  1/2  installing nginx  10 s'])
  })

  test('shows the phase of the run again when an activity ends', () => {
    const progress = new Progress(['a'], undefined, 0)
    progress.listen({ type: 'host', host: 'a', state: 'connecting' }, 0)
    progress.listen({ type: 'doing', host: 'a', what: 'waiting for the lock' }, 0)
    progress.listen({ type: 'doing', host: 'a', what: undefined }, 0)
    expect(progress.lines('Observing', plainView, 20, 0).at(-1)?.trim()).toBe('a  connecting')
  })

  test('shows how long an activity lasts after two seconds, also while it is repeated, and begins again with another', () => {
    const progress = new Progress(['a'], undefined, 0)
    const line = (now: number): string | undefined => progress.lines('Observing', plainView, 20, now)[1]?.trim()
    progress.listen({ type: 'host', host: 'a', state: 'proving' }, 0)
    expect([line(1999), line(2000)]).toEqual(['a  observing again', 'a  observing again  2.0 s'])
    progress.listen({ type: 'doing', host: 'a', what: 'installing' }, 3000)
    progress.listen({ type: 'doing', host: 'a', what: 'installing' }, 5000)
    expect(line(6000)).toBe('a  installing  3.0 s')
    progress.listen({ type: 'doing', host: 'a', what: 'removing' }, 6000)
    expect(line(7000)).toBe('a  removing')
    progress.listen({ type: 'host', host: 'a', state: 'done' }, 8000)
    expect(line(9000)).toBeUndefined()
  })

  test('ignores unknown hosts, and events without an activity', () => {
    const progress = new Progress(['a'], undefined, 0)
    progress.listen({ type: 'doing', host: 'other', what: 'installing' }, 0)
    progress.listen({ type: 'change', phase: 'planned', change: change('a', 'file:/x') }, 0)
    progress.listen({ type: 'warning', host: 'a', what: 'odd' }, 0)
    expect([progress.lines('Observing', plainView, 20, 0), progress.applied]).toEqual([['Observing  0.0 s'], 0])
  })

  test('has one line for each host that fits exactly', () => {
    const progress = new Progress(['a', 'web-02'], undefined, 0)
    for (const host of ['a', 'web-02']) progress.listen({ type: 'host', host, state: 'observing' }, 0)
    expect(progress.lines('Observing', plainView, 2, 0).slice(1)).toEqual(['  a       observing', '  web-02  observing'])
    expect(progress.lines('Observing', plainView, 0, 0).slice(1)).toEqual(['  and 2 more hosts'])
  })

  test('never has more lines than fit', () => {
    const hosts = Array.from({ length: 300 }, (_, i) => `host-${i}`)
    const progress = new Progress(hosts, undefined, 0)
    for (const host of hosts) progress.listen({ type: 'host', host, state: 'observing' }, 0)
    const lines = progress.lines('Observing 300 hosts', plainView, 10, 0)
    expect(lines).toHaveLength(11)
    expect(lines.at(-1)).toBe('  and 291 more hosts')
  })

  test('knows which changes are settled, how many were applied, and how long a host took', () => {
    const progress = new Progress(['web-01', 'web-02'], plan, 0)
    progress.listen({ type: 'host', host: 'web-01', state: 'applying' }, 1000)
    progress.listen({ type: 'change', phase: 'applied', change: change('web-01', 'file:/a') }, 2000)
    progress.listen({ type: 'change', phase: 'failed', change: change('web-01', 'file:/b') }, 4500)
    expect([progress.applied, progress.durationOf('web-01'), progress.durationOf('web-02')]).toEqual([1, 3500, undefined])
    expect([progress.isSettled('web-01', 'file:/b'), progress.isSettled('web-02', 'file:/a')]).toEqual([true, false])
  })

  test('text from a host is one line that fits, without control characters', () => {
    const progress = new Progress(['a'], undefined, 0)
    progress.listen({ type: 'doing', host: 'a', what: `\x1b[31mone\ntwo\r${'x'.repeat(300)}` }, 0)
    const [, line = ''] = progress.lines('Observing', { ...plainView, columns: 40 }, 5, 0)
    expect(line).toMatch(/^ {2}a {2}one two␍x+…$/)
    expect(line.length).toBeLessThanOrEqual(40)
  })
})
