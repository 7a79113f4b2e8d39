import { describe, expect, test, vi } from 'vitest'
import type { Outcome } from '../../../src/engine/plan/plan.ts'
import { Problem } from '../../../src/problem.ts'
import { cards, defectCard } from '../../../src/report/card.ts'
import { jsonReport } from '../../../src/report/json.ts'
import { Progress } from '../../../src/report/progress.ts'
import { leftLines, summaryLines } from '../../../src/report/summary.ts'
import { change, outcomeOf, plainView, planOf } from './values.ts'

const host = (name: string, changed: number, failed = 0, unreachable = false) => ({
  host: name,
  resources: 10,
  changed,
  failed,
  unreachable,
})
const ending = (outcome: Outcome, more = {}) => ({
  plan: planOf(),
  outcome,
  problems: [],
  dryRun: false,
  interrupted: false,
  narrowedTo: [],
  ...more,
})
const summary = (...given: Parameters<typeof ending>): readonly string[] => {
  const one = ending(...given)
  const progress = new Progress(['a', 'b'], one.plan, 0)
  for (const each of one.plan.changes) progress.listen({ type: 'change', phase: 'applied', change: each }, 0)
  return summaryLines(one, progress, plainView)
}

describe('the summary', () => {
  test('nothing to do is one calm line', () => {
    expect(summary(outcomeOf('converged', host('a', 0), host('b', 0)))).toEqual([
      '✔ Nothing to do: 20 resources on 2 hosts as described  1.2 s',
    ])
  })

  test('has a line for each host, and counts the controller too', () => {
    const plan = planOf(change('controller', 'acme-account:x'), change('a', 'file:/x'))
    expect(summary(outcomeOf('changed', host('a', 1), host('b', 0)), { plan })).toEqual([
      '',
      '  host  resources  changed  failed  seconds',
      '  a            10        1       0',
      '  b            10        0       0',
      '',
      '✔ 2 changes made and proved  1.2 s',
    ])
  })

  test('compares the prediction with what happened', () => {
    const plan = planOf(change('a', 'file:/x'))
    const outcome = { ...outcomeOf('failed', host('a', 1)), prediction: { predicted: 1, actual: 2 } }
    expect(summary(outcome, { plan }).at(-1)).toContain('made  foretold 1 of 2 changes  1.2 s')
    expect(summary({ ...outcomeOf('converged', host('a', 0)), prediction: { predicted: 0, actual: 0 } }).at(-1)).not.toContain('foretold')
  })

  test('a dry run says that nothing was touched', () => {
    const plan = planOf(change('a', 'file:/x'))
    expect(summary(outcomeOf('changed', host('a', 1)), { plan, dryRun: true }).at(-1)).toBe(
      '● 1 change on 1 host  1 to create, nothing was touched  1.2 s',
    )
  })

  test('names failures and hosts that were not reached first', () => {
    const unmet = { ...host('b', 0, 0, true), resources: 0 }
    const lines = summary(outcomeOf('failed', host('a', 0, 1), unmet))
    expect(lines).toContain('  b                                          not reached')
    expect(lines.at(-1)).toBe('✖ 1 failed, 1 host not reached, 0 changes made  1.2 s')
  })

  test('an interrupted run is not called a success', () => {
    expect(summary(outcomeOf('failed', host('a', 0)), { interrupted: true }).at(-1)).toBe('■ Interrupted: 0 changes made  1.2 s')
  })

  test('says what it was narrowed to', () => {
    const lines = summary(outcomeOf('converged', host('a', 0)), { narrowedTo: ['--limit web-02', '--role nginx'] })
    expect(lines.at(-1)).toBe('  Narrowed by --limit web-02 --role nginx: nothing else was touched.')
  })

  test('what is left is told by host', () => {
    const left = Array.from({ length: 7 }, (_, i) => change('a', `file:/${i}`))
    expect(leftLines(left, plainView)).toEqual([
      '',
      '7 changes left; the next run takes them up:',
      '  a  file /0, file /1, file /2, file /3, file /4, 2 more',
    ])
    expect(leftLines([], plainView)).toEqual([])
  })
})

const faulty = new Problem({
  class: 'input',
  where: { file: 'inventory/lab.yaml', line: 12, column: 14, key: 'hosts.web1.address' },
  what: '"10.0.0" is no address',
  why: 'first\nsecond \x1b[31mred',
  fix: 'write it whole',
})

describe('cards', () => {
  test('say where, what, why and what to do', () => {
    expect(cards([faulty], plainView)).toBe(
      [
        '✖ inventory/lab.yaml:12:14  hosts.web1.address',
        '  what "10.0.0" is no address',
        '  why  first',
        '       second red',
        '  fix  write it whole',
        '',
      ].join('\n'),
    )
  })

  test('a defect of ours is called one, and shows no stack', () => {
    const card = defectCard(new TypeError('x is not a function'), plainView)
    expect(card).toContain('TypeError: x is not a function')
    expect(card).toContain('a defect of provision')
    expect(card).not.toContain('    at ')
  })
})

describe('JSON', () => {
  const told = (tell: (report: ReturnType<typeof jsonReport>) => void): readonly unknown[] => {
    const written: string[] = []
    tell(jsonReport((text) => written.push(text)))
    return written
      .join('')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line))
  }
  const made = change('a', 'file:/x', { diff: 'd', differences: [{ key: 'mode', to: '644' }] })

  test('each change is the promised object, planned and applied once each; the last line is the summary', () => {
    const lines = told((report) => {
      report.listen({ type: 'change', phase: 'planned', change: made })
      report.planned(planOf(made), ['play'])
      report.listen({ type: 'change', phase: 'applied', change: made, durationMs: 3 })
      report.finished(ending(outcomeOf('changed', host('a', 1)), { plan: planOf(made) }))
    })
    const line = { type: 'change', host: 'a', role: 'nginx', resource: 'file:/x', action: 'create', certainty: 'exact', diff: 'd' }
    expect(lines).toEqual([
      { ...line, phase: 'planned' },
      { ...line, phase: 'applied' },
      { type: 'summary', result: 'changed', durationMs: 1200, hosts: { a: { resources: 10, changed: 1, failed: 0, unreachable: false } } },
    ])
  })

  test('hostile text of a host is escaped in the line and survives parsing', () => {
    const evil = 'a\x9b2J\u202eb\u200bc\u2028d\ufeff'
    const written: string[] = []
    const report = jsonReport((text) => written.push(text))
    report.planned(planOf(change('a', `file:${evil}`, { reason: evil, diff: evil })), [evil])
    report.listen({ type: 'warning', host: 'a', what: evil })
    report.broken([new Problem({ class: 'task', where: { host: 'a', resource: evil }, what: evil, why: evil, fix: evil })])
    expect(written.join('')).toMatch(/^[\x20-\x7e\n›]*$/)
    const lines = written.map((line) => JSON.parse(line))
    expect(lines).toMatchObject([{ resource: `file:${evil}`, diff: evil }, { what: evil }, { what: evil, why: evil }, { type: 'summary' }])
  })

  test('what is left over is a line of its own, and no change', () => {
    const leftover = { host: 'a', role: 'app', resource: 'file:/x', action: 'delete', reason: 'no role declares it any more' } as const
    const lines = told((report) => report.planned({ ...planOf(), withheld: [leftover] }, []))
    expect(lines).toEqual([{ type: 'leftover', ...leftover, withheld: '--prune' }])
  })

  test('a run that its input stopped still ends with a summary', () => {
    const lines = told((report) => report.broken([faulty]))
    expect(lines).toMatchObject([
      { type: 'problem', class: 'input', place: 'inventory/lab.yaml:12:14', what: '"10.0.0" is no address', fix: 'write it whole' },
      { type: 'summary', result: 'failed', hosts: {} },
    ])
  })

  test('a host that is busy for long is a line after five seconds, and one a minute', () => {
    vi.useFakeTimers()
    const lines = told((report) => {
      report.listen({ type: 'doing', host: 'a', what: 'running command wait' })
      vi.advanceTimersByTime(130_000)
      report.listen({ type: 'change', phase: 'applied', change: change('a', 'command:wait'), durationMs: 130_000 })
      report.listen({ type: 'doing', host: 'a', what: 'writing /x' })
      report.settle()
      vi.advanceTimersByTime(600_000)
    })
    vi.useRealTimers()
    expect(lines.slice(0, -1)).toEqual([
      { type: 'doing', host: 'a', what: 'running command wait' },
      { type: 'doing', host: 'a', what: 'running command wait', durationMs: 65_000 },
      { type: 'doing', host: 'a', what: 'running command wait', durationMs: 125_000 },
    ])
  })
})
