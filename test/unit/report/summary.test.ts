import { describe, expect, test, vi } from 'vitest'
import type { Outcome } from '../../../src/engine/plan/plan.ts'
import { Problem } from '../../../src/problem.ts'
import { cards, defectCard } from '../../../src/report/card.ts'
import { jsonReport } from '../../../src/report/json.ts'
import { Progress } from '../../../src/report/progress.ts'
import { summaryLines, unappliedLines } from '../../../src/report/summary.ts'
import { painter } from '../../../src/report/view.ts'
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
  restrictedBy: [],
  ...more,
})
const summary = (...given: Parameters<typeof ending>): readonly string[] => {
  const run = ending(...given)
  const progress = new Progress(['a', 'b'], run.plan, 0)
  for (const planned of run.plan.changes) progress.listen({ type: 'change', phase: 'applied', change: planned }, 0)
  return summaryLines(run, progress, plainView)
}

describe('the summary', () => {
  test('is one line if there is nothing to do', () => {
    expect(summary(outcomeOf('converged', host('a', 0), host('b', 0)))).toEqual([
      '✔ Nothing to do: 20 resources on 2 hosts as declared  1.2 s',
    ])
  })

  test('has a row per host, and counts changes of the controller', () => {
    const plan = planOf(change('controller', 'acme-account:x'), change('a', 'file:/x'))
    expect(summary(outcomeOf('changed', host('a', 1), host('b', 0)), { plan })).toEqual([
      '',
      '  host  resources  changed  failed  seconds',
      '  a            10        1       0',
      '  b            10        0       0',
      '',
      '✔ 2 changes applied and confirmed  1.2 s',
    ])
  })

  test('has the seconds of each host from its first change, and a lost connection', () => {
    const plan = planOf(change('a', 'file:/x'), change('b', 'file:/x'))
    const progress = new Progress([], plan, 0)
    progress.listen({ type: 'host', host: 'a', state: 'applying' }, 1000)
    progress.listen({ type: 'change', phase: 'applied', change: change('a', 'file:/x') }, 3460)
    const lines = summaryLines(ending(outcomeOf('failed', host('a', 1), host('b', 0, 0, true)), { plan }), progress, plainView)
    expect(lines.slice(2, 4)).toEqual([
      '  a            10        1       0      2.5',
      '  b            10        0       0           connection lost',
    ])
    expect(lines.at(-1)).toBe('✖ 1 host unreachable, 1 change applied  1.2 s')
  })

  test('of a dry run has the changes to make, and what else is wrong', () => {
    const plan = planOf(change('a', 'file:/x'))
    const lines = summary(outcomeOf('failed', host('a', 1), host('b', 0, 0, true)), { plan, dryRun: true })
    expect(lines[1]).toBe('  host  resources  to change  failed  seconds')
    expect(lines.at(-1)).toBe('✖ 1 host unreachable, 1 change to apply  1.2 s')
  })

  test('counts deferred changes, and colours rows by what happened', () => {
    const plan = planOf(change('a', 'file:/x'), change('a', 'certificate:/x'))
    const progress = new Progress([], plan, 0)
    progress.listen({ type: 'change', phase: 'applied', change: change('a', 'file:/x') }, 0)
    const view = { ...plainView, paint: painter(true) }
    const { red, yellow, green, bold, dim } = view.paint
    const lines = summaryLines(ending(outcomeOf('changed', host('a', 1), host('b', 0)), { plan }), progress, view)
    expect(lines.at(-1)).toBe(`${yellow('●')} ${bold('1 change applied, 1 deferred')}  ${dim('1.2 s')}`)
    const row = (name: string, numbers: string): string => `${name}            10        ${numbers}`
    expect(lines.slice(2, 4)).toEqual([`  ${yellow(row('a', '1       0'))}`, `  ${green(row('b', '0       0'))}`])
    const failed = summaryLines(ending(outcomeOf('failed', host('a', 1, 1))), new Progress([], planOf(), 0), view)
    expect(failed[2]).toBe(`  ${red(row('a', '1       1'))}`)
  })

  test('of a run whose host failed without a change reports the failure', () => {
    expect(summary(outcomeOf('failed', host('a', 0))).at(-1)).toBe('✖ 0 changes applied  1.2 s')
  })

  test('compares the prediction with the changes that happened', () => {
    const plan = planOf(change('a', 'file:/x'))
    const outcome = { ...outcomeOf('failed', host('a', 1)), prediction: { predicted: 1, actual: 2 } }
    expect(summary(outcome, { plan }).at(-1)).toContain('applied  predicted 1 of 2 changes  1.2 s')
    expect(summary({ ...outcomeOf('converged', host('a', 0)), prediction: { predicted: 0, actual: 0 } }).at(-1)).not.toContain('predicted')
  })

  test('of a dry run ends with "nothing was changed"', () => {
    const plan = planOf(change('a', 'file:/x'))
    expect(summary(outcomeOf('changed', host('a', 1)), { plan, dryRun: true }).at(-1)).toBe(
      '● 1 change on 1 host  1 to create, nothing was changed  1.2 s',
    )
    const run = ending(outcomeOf('changed', host('a', 1)), { plan, dryRun: true })
    expect(summaryLines(run, new Progress(['a'], plan, 0), { ...plainView, paint: painter(true), columns: 40 }).slice(-2)).toEqual([
      expect.stringMatching(/1 to create\S*,$/),
      expect.stringMatching(/^ {2}nothing was changed {2}/),
    ])
  })

  test('names failures and unreachable hosts first', () => {
    const unreachable = { ...host('b', 0, 0, true), resources: 0 }
    const lines = summary(outcomeOf('failed', host('a', 0, 1), unreachable))
    expect(lines).toContain('  b                                          unreachable')
    expect(lines.at(-1)).toBe('✖ 1 failed, 1 host unreachable, 0 changes applied  1.2 s')
  })

  test('distinguishes a busy host, one that could not be planned and an unreachable one', () => {
    const missing = (name: string, unplanned: 'busy' | 'failed') => ({ ...host(name, 0), resources: 0, unplanned })
    const lines = summary(outcomeOf('failed', host('a', 0), missing('b', 'busy'), missing('c', 'failed')))
    expect(lines.slice(3, 5)).toEqual([
      '  b                                          busy',
      '  c                                          not planned',
    ])
    expect(lines.at(-1)).toBe('✖ 1 host busy, 1 host not planned, 0 changes applied  1.2 s')
  })

  test('does not count a change that was reverted as applied', () => {
    const reverted = change('a', 'file:/x')
    const progress = new Progress([], planOf(reverted), 0)
    progress.listen({ type: 'change', phase: 'applied', change: reverted }, 0)
    progress.listen({ type: 'reverted', change: reverted }, 0)
    expect([progress.applied, progress.isSettled('a', 'file:/x')]).toEqual([0, false])
  })

  test('of an interrupted run does not report success', () => {
    expect(summary(outcomeOf('failed', host('a', 0)), { interrupted: true }).at(-1)).toBe('■ Interrupted: 0 changes applied  1.2 s')
  })

  test('names the options that restrict the run', () => {
    const lines = summary(outcomeOf('converged', host('a', 0)), { restrictedBy: ['--limit web-02', '--role nginx'] })
    expect(lines.at(-1)).toBe('  Restricted by --limit web-02 --role nginx: nothing else was changed.')
  })

  test('lists changes that were not applied, by host', () => {
    const unapplied = Array.from({ length: 7 }, (_, i) => change('a', `file:/${i}`))
    expect(unappliedLines(unapplied, plainView)).toEqual([
      '',
      '7 changes not applied; run the same command again to apply them:',
      '  a  file /0, file /1, file /2, file /3, file /4, 2 more',
    ])
    expect(unappliedLines([], plainView)).toEqual([])
  })
})

const invalidAddress = new Problem({
  class: 'input',
  where: { file: 'inventory/lab.yaml', line: 12, column: 14, key: 'hosts.web1.address' },
  what: '"10.0.0" is not an address',
  why: 'first\nsecond \x1b[31mred',
  fix: 'write the full address',
})

describe('cards', () => {
  test('have the place, what happened, why, and how to fix it', () => {
    expect(cards([invalidAddress], plainView)).toBe(
      [
        '✖ inventory/lab.yaml:12:14  hosts.web1.address',
        '  what "10.0.0" is not an address',
        '  why  first',
        '       second red',
        '  fix  write the full address',
        '',
      ].join('\n'),
    )
  })

  test('fit the screen, and colour the place and the reason', () => {
    const { red, bold, dim } = painter(true)
    const problem = new Problem({
      class: 'task',
      where: { host: 'a', role: 'role x' },
      what: 'one two three',
      why: 'four',
      fix: 'f\tg',
    })
    expect(cards([problem], { paint: painter(true), columns: 15, verbose: false }).split('\n')).toEqual([
      `${red('✖')} ${bold('a › role x')}`,
      '  what one two',
      '       three',
      dim('  why  four'),
      '  fix  f  g',
      '',
    ])
  })

  test('show no key of a playbook, and a problem of several hosts once', () => {
    const where = { file: 'playbooks/site.yaml', line: 3, column: 5, key: '[0].roles[1]' }
    const one = new Problem({ class: 'input', where, what: 'it is wrong', fix: 'mend it' })
    const other = new Problem({ class: 'input', where, what: 'it is wrong', why: 'another reason', fix: 'mend it' })
    const shown = cards([one, one, other], plainView)
    expect(shown.match(/^✖ .*$/gm)).toEqual(['✖ playbooks/site.yaml:3:5', '✖ playbooks/site.yaml:3:5'])
    expect(shown).toContain('\n  fix  mend it\n\n✖')
  })

  test('call an unexpected error a bug of provision, and print no stack', () => {
    const card = defectCard(new TypeError('x is not a function'), plainView)
    expect(card).toContain('TypeError: x is not a function')
    expect(card).toContain('a bug in provision')
    expect(card).not.toContain('    at ')
  })
})

describe('JSON', () => {
  const linesOf = (act: (report: ReturnType<typeof jsonReport>) => void): readonly unknown[] => {
    const written: string[] = []
    act(jsonReport((text) => written.push(text)))
    return written
      .join('')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line))
  }
  const applied = change('a', 'file:/x', { diff: 'd', differences: [{ key: 'mode', to: '644' }] })

  test('prints each change once planned and once applied, with the promised fields; the last line is the summary', () => {
    const lines = linesOf((report) => {
      report.listen({ type: 'change', phase: 'planned', change: applied })
      report.planned(planOf(applied), ['play'])
      report.listen({ type: 'change', phase: 'applied', change: applied, durationMs: 3 })
      report.finished(ending(outcomeOf('changed', host('a', 1)), { plan: planOf(applied) }))
    })
    const line = { type: 'change', host: 'a', role: 'nginx', resource: 'file:/x', action: 'create', certainty: 'exact', diff: 'd' }
    expect(lines).toEqual([
      { ...line, phase: 'planned' },
      { ...line, phase: 'applied' },
      { type: 'summary', result: 'changed', durationMs: 1200, hosts: { a: { resources: 10, changed: 1, failed: 0, unreachable: false } } },
    ])
  })

  test('has the prediction of a run in its summary, and the whole diff of a change', () => {
    const whole = change('a', 'nftables:x', { diff: 'd', fullDiff: 'f' })
    const outcome = { ...outcomeOf('changed', host('a', 1)), prediction: { predicted: 1, actual: 2 } }
    const problem = new Problem({ class: 'task', where: { host: 'a' }, what: 'it is wrong', why: 'because', fix: 'mend it' })
    expect(
      linesOf((report) => {
        report.planned(planOf(whole), ['play'])
        report.finished(ending(outcome, { problems: [problem] }))
      }),
    ).toMatchObject([
      { type: 'change', diff: 'd', fullDiff: 'f' },
      { type: 'problem', class: 'task', place: 'a', where: { host: 'a' }, what: 'it is wrong', why: 'because', fix: 'mend it' },
      { type: 'summary', prediction: { predicted: 1, actual: 2 } },
    ])
  })

  test('escapes hostile text of a host so that a parser reads the same value', () => {
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

  test('prints an orphan as its own line, not as a change', () => {
    const orphan = { host: 'a', role: 'app', resource: 'file:/x', action: 'delete', reason: 'no role declares it any more' } as const
    const lines = linesOf((report) => report.planned({ ...planOf(), withheld: [orphan] }, []))
    expect(lines).toEqual([{ type: 'orphan', ...orphan, withheld: '--prune' }])
  })

  test('ends with a summary also if the input is invalid', () => {
    const lines = linesOf((report) => report.broken([invalidAddress]))
    expect(lines).toMatchObject([
      {
        type: 'problem',
        class: 'input',
        place: 'inventory/lab.yaml:12:14',
        what: '"10.0.0" is not an address',
        fix: 'write the full address',
      },
      { type: 'summary', result: 'failed', hosts: {} },
    ])
  })

  test('reports a long activity after five seconds and then every minute', () => {
    vi.useFakeTimers()
    const lines = linesOf((report) => {
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
