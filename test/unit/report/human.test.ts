import { spawnSync } from 'node:child_process'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import type { Event } from '../../../src/engine/events.ts'
import type { Plan } from '../../../src/engine/plan/plan.ts'
import { chooseReport } from '../../../src/report/choose.ts'
import { humanReport } from '../../../src/report/human.ts'
import { table, tableWidth } from '../../../src/report/table.ts'
import { painter } from '../../../src/report/view.ts'
import { change, outcomeOf, plainView, planOf } from './values.ts'

/** A report and everything that it prints; `+` marks what it passes to the activity display. */
const reporting = (view = plainView) => {
  const printed: string[] = []
  const activity = {
    start: (title: string) => printed.push(`+ start ${title}`),
    changed: (phase: string, { resource }: { resource: string }) => printed.push(`+ ${phase} ${resource}`),
    doing: (host: string, what: string | undefined) => printed.push(`+ ${host} ${what}`),
    rolling: ({ host, phase }: { host: string; phase: string }) => printed.push(`+ ${host} ${phase}`),
    title: (title: string) => printed.push(`+ title ${title}`),
    paused: async <T>(work: () => Promise<T>): Promise<T> => {
      printed.push('+ pause')
      return await work().finally(() => printed.push('+ resume'))
    },
    stop: async () => void printed.push('+ stop'),
  }
  const report = humanReport(
    (text) => printed.push(...text.split('\n').slice(0, -1)),
    view,
    activity,
    () => 0,
  )
  const since = (): readonly string[] => printed.splice(0)
  return { report, since }
}
const finish = (plan: Plan, more: object = {}) => ({
  plan,
  outcome: outcomeOf('changed', { host: 'a', resources: 10, changed: 1, failed: 0, unreachable: false }),
  problems: [],
  dryRun: false,
  interrupted: false,
  restrictedBy: [],
  ...more,
})

describe('the report for people', () => {
  test('stops its display while a question is asked', async () => {
    const { report, since } = reporting()
    report.observing(['web-01'])
    expect(await report.paused(async () => since().concat('asked'))).toEqual(['+ start Observing web-01', '+ pause', 'asked'])
    expect(since()).toEqual(['+ resume'])
  })

  test('shows details with --verbose only', () => {
    for (const verbose of [false, true]) {
      const { report, since } = reporting({ ...plainView, verbose })
      report.listen({ type: 'note', host: 'a', what: 'a connects with OpenSSH: transport: openssh', isDetail: true })
      report.finished(finish(planOf(change('a', 'file:/x'))))
      expect(since().some((line) => line.includes('connects with OpenSSH'))).toBe(verbose)
    }
  })

  test('names the one host that is observed, or their number', () => {
    const { report, since } = reporting()
    report.observing(['web-01'])
    report.observing(['a', 'b', 'c'])
    expect(since()).toEqual(['+ start Observing web-01', '+ start Observing 3 hosts'])
  })

  test('prints each warning once with its hosts in order, above the plan, and later ones at the end', () => {
    const { report, since } = reporting()
    const plan = planOf(change('a', 'file:/x'))
    for (const host of ['b', 'a', 'b']) report.listen({ type: 'warning', host, role: 'mysql', what: 'odd' })
    report.listen({ type: 'warning', what: 'of no host' })
    report.planned(plan, ['play'])
    const lines = since()
    expect(lines.slice(0, 6)).toEqual(['1 change on 1 host  1 to create', '', '! mysql: odd  a b', '! of no host', '', 'play'])
    report.listen({ type: 'warning', host: 'a', what: 'late' })
    report.listen({ type: 'note', host: 'a', what: 'confirmed by a new connection' })
    report.finished(finish(plan))
    const end = since()
    expect(end.slice(0, 2)).toEqual(['✔ confirmed by a new connection', '! late  a'])
    expect(end.join('\n')).not.toContain('odd')
  })

  test('of a plan without changes prints only warnings', () => {
    const { report, since } = reporting()
    report.listen({ type: 'warning', host: 'a', what: 'odd' })
    report.planned(planOf(), [])
    expect(since()).toEqual(['! odd  a'])
  })

  test('shows changes, activities and drained hosts while the plan is applied, and what was reverted at the end', () => {
    const { report, since } = reporting()
    const plan = planOf(change('a', 'file:/x'))
    report.listen({ type: 'change', phase: 'planned', change: change('a', 'file:/x') })
    expect(since()).toEqual([])
    report.applying(plan)
    expect(since()).toEqual(['', '1 change on 1 host  1 to create', '+ start Applying'])
    const events: readonly Event[] = [
      { type: 'rolling', phase: 'out', host: 'a', at: 'lb', durationMs: 1 },
      { type: 'doing', host: 'a', what: 'installing' },
      { type: 'change', phase: 'applied', change: change('a', 'file:/x') },
      { type: 'reverted', change: change('a', 'file:/x') },
    ]
    for (const event of events) report.listen(event)
    expect(since()).toEqual(['+ a out', '+ a installing', '+ applied file:/x'])
    report.finished(finish(plan))
    expect(since()[0]).toBe('! file /x was restored to its state before this run  a')
  })

  test('lists unapplied changes of a run, and none of a dry run', () => {
    for (const dryRun of [false, true]) {
      const { report, since } = reporting()
      const plan = planOf(change('a', 'file:/x'))
      report.applying(plan)
      since()
      report.finished(finish(plan, { dryRun }))
      expect(since().some((line) => line.includes('1 change not applied'))).toBe(!dryRun)
    }
  })

  test('prints that it finishes the current step, and how to stop at once', async () => {
    const { report, since } = reporting()
    report.interrupting()
    await report.settle()
    report.broken([])
    expect(since()).toEqual(['+ title Finishing the current step (press Ctrl-C again to stop immediately)', '+ stop'])
  })
})

test('a log is plain text unless another format is asked for', () => {
  const printed = (format: 'json' | 'plain' | 'terminal' | undefined): string => {
    const texts: string[] = []
    const report = chooseReport(format, { out: (text) => texts.push(text), view: plainView, live: false, rows: () => 24 })
    report.listen({ type: 'change', phase: 'applied', change: change('a', 'file:/x'), durationMs: 60 })
    return texts.join('')
  }
  expect([undefined, 'plain', 'terminal'].map((format) => printed(format as 'plain'))).toEqual(Array(3).fill('a  create file /x  0.1 s\n'))
  expect(JSON.parse(printed('json'))).toMatchObject({ type: 'change', host: 'a' })
})

test('a terminal shows what hosts do while it lasts, and nothing of a run that ends at once', () => {
  const at = (path: string): string => JSON.stringify(pathToFileURL(`${process.cwd()}/src/report/${path}`).href)
  const script = `import { setTimeout as sleep } from 'node:timers/promises'
import { chooseReport } from ${at('choose.ts')}
import { painter } from ${at('view.ts')}
Object.assign(process.stdout, { isTTY: true, columns: 80, rows: 24 })
const view = { paint: painter(false), columns: 80, verbose: false }
const report = chooseReport(undefined, { out: (text) => process.stdout.write(text), view, live: true, rows: () => 24 })
report.observing(['quick'])
await report.settle()
process.stdout.write('BEGIN')
report.observing(['web-01', 'web-02'])
for (const host of ['web-01', 'web-02']) report.listen({ type: 'doing', host, what: 'installing nginx' })
await sleep(500)
const change = { host: 'web-01', role: 'r', resource: 'file:/x', action: 'create', certainty: 'exact', reason: '', differences: [], play: 0 }
report.listen({ type: 'change', phase: 'applied', change })
report.listen({ type: 'rolling', phase: 'out', host: 'web-01', at: 'lb', durationMs: 1 })
report.interrupting()
await sleep(400)
await report.settle()
process.stdout.write('END\\n')`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  const [before, shown = ''] = stdout.split('BEGIN')
  expect([before, stderr]).toEqual(['', ''])
  for (const text of ['Observing 2 hosts', '  web-01  installing nginx', '  web-02  installing nginx', 'Finishing the current step'])
    expect(shown).toContain(text)
  expect(new Set(shown.match(/[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]/g)).size).toBeGreaterThan(1)
  // The lines are cleared at the end.
  expect(shown).toMatch(/nginx\n[^\n]*\x1b\[2K\x1b\[G[^\n]*END\n$/)
})

test('a table has a dim header and columns as wide as their widest cell', () => {
  const rows = [
    ['web-01', 'x', ''],
    ['b', 'line\nbreak', 'z'],
  ]
  expect(table(['host', 'value', 'c'], rows, painter(false))).toBe('host    value       c\nweb-01  x\nb       line⏎break  z\n')
  expect(tableWidth(['host', 'value', 'c'], rows)).toBe('b       line⏎break  z'.length)
  expect(table(['host'], [], painter(true))).toBe('\x1b[2mhost\x1b[22m\n')
})

test('a stream masks secrets that arrive in parts, and prints what it held back at the end', () => {
  const at = (path: string): string => JSON.stringify(pathToFileURL(`${process.cwd()}/src/${path}`).href)
  const script = `import { redactStream } from ${at('report/redact-stream.ts')}
import { Secret } from ${at('secret/secret.ts')}
new Secret('poison-stream-1')
redactStream(process.stdout)
process.stdout.write('a poison-')
process.stdout.write(Buffer.from('stream-1 é').subarray(0, 10), () => process.stdout.write(Buffer.from('stream-1 é').subarray(10)))
process.on('beforeExit', () => process.stdout.write(''))
setTimeout(() => process.stdout.write(' end poison-'), 50)`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  expect({ stdout, stderr }).toEqual({ stdout: 'a ••• é end poison-', stderr: '' })
})
