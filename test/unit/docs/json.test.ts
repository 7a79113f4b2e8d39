import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Checked } from '../../../src/engine/verify.ts'
import type { LabStatus } from '../../../src/lab/lab.ts'
import { Problem } from '../../../src/problem.ts'
import { jsonReport } from '../../../src/report/json.ts'
import { describeInventory } from '../../../src/site/describe.ts'
import { change, outcomeOf, planOf } from '../report/values.ts'
import { siteOf } from '../site/project.ts'
import { blocks, read } from './pages.ts'

const page = read('docs/json.md')

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** Keys of a type of line, without `type`. */
interface Row {
  readonly required: readonly string[]
  readonly optional: readonly string[]
}

/** The table of the types of lines. */
const documented = new Map(
  [...page.matchAll(/^\| `([a-z]+)` \| (`[^|]*) \| [^|]* \|$/gm)].map(([, type = '', keys = '']): [string, Row] => {
    const all = [...keys.matchAll(/`(\w+)`(\??)/g)].map(([, key = '', mark]) => ({ key, isOptional: mark === '?' }))
    const named = (isOptional: boolean) => all.filter((one) => one.isOptional === isOptional).map(({ key }) => key)
    return [type, { required: named(false), optional: named(true) }]
  }),
)

/** Lines of a run in which everything happens, with and without every optional key. */
const linesOfARun = (): readonly Record<string, unknown>[] => {
  const lines: string[] = []
  const report = jsonReport((text) => lines.push(text))
  const whole = change('web-01', 'file:/etc/motd', { diff: '-a', fullDiff: '-a' })
  const withheld = [
    { host: 'web-01', role: 'nginx', resource: 'file:/etc/motd', action: 'delete', reason: 'no role declares it any more' },
  ] as const
  const rollouts = [{ play: 0, serial: [1], at: ['lb-01'], maxFailures: 0 }]
  const problem = { class: 'task', where: { host: 'web-01' }, what: 'it failed', fix: 'repair it' } as const
  report.planned({ ...planOf(whole, change('web-01', 'package:nginx')), rollouts, withheld }, ['web servers'])
  report.listen({ type: 'doing', host: 'web-01', what: 'installing nginx' })
  vi.advanceTimersByTime(100_000)
  report.listen({ type: 'rolling', phase: 'out', host: 'web-01', at: 'lb-01', durationMs: 1 })
  report.listen({ type: 'change', phase: 'applied', change: whole })
  report.listen({ type: 'reverted', change: whole })
  report.listen({ type: 'note', host: 'web-01', what: 'x' })
  report.listen({ type: 'warning', host: 'web-01', role: 'nginx', what: 'x' })
  report.listen({ type: 'warning', what: 'x' })
  const outcome = outcomeOf('changed', { host: 'web-01', resources: 1, changed: 1, failed: 0, unreachable: false })
  const ending = { plan: planOf(whole), dryRun: false, interrupted: false, restrictedBy: [] }
  const problems = [new Problem(problem), new Problem({ ...problem, why: 'x' })]
  report.finished({ ...ending, outcome: { ...outcome, prediction: { predicted: 1, actual: 1 } }, problems })
  report.finished({ ...ending, outcome, problems: [] })
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>)
}

test('the table has every type of line, with its keys', () => {
  const found = Map.groupBy(linesOfARun(), ({ type }) => String(type))
  expect([...documented.keys()].toSorted()).toEqual([...found.keys()].toSorted())
  for (const [type, { required, optional }] of documented) {
    const lines = (found.get(type) ?? []).map((line) => Object.keys(line).filter((key) => key !== 'type'))
    const all = [...new Set(lines.flat())].toSorted()
    const always = all.filter((key) => lines.every((line) => line.includes(key)))
    expect({ type, all, always }).toEqual({ type, all: [...required, ...optional].toSorted(), always: required.toSorted() })
  }
})

const examples = blocks(page, 'json').flatMap((block) =>
  block
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, object>),
)

test('the example of a run has lines as the table describes them, and ends with the summary', () => {
  const lines = examples.filter(({ type }) => documented.has(String(type)))
  expect(lines.length).toBeGreaterThan(2)
  for (const { type, ...rest } of lines) {
    const { required = [], optional = [] } = documented.get(String(type)) ?? {}
    expect(Object.keys(rest)).toEqual(expect.arrayContaining([...required]))
    expect(Object.keys(rest).filter((key) => ![...required, ...optional].includes(key))).toEqual([])
  }
  expect(lines.at(-1)?.type).toBe('summary')
})

test('the examples of verify, inventory and lab status have the keys that these commands print', async () => {
  const checked: Required<Checked> = { host: '', role: '', name: '', passed: true, because: '' }
  const checks = examples.filter(({ type }) => String(type) === 'check')
  const keys = ['type', ...Object.keys(checked)]
  for (const line of checks) expect(Object.keys(line)).toEqual(keys.filter((key) => key !== 'because' || 'because' in line))
  expect(checks.some((line) => 'because' in line)).toBe(true)

  const site = await siteOf('hosts: { web-01: { address: 10.78.0.12, user: ops } }\ngroups: { web: { hosts: [web-01] } }\n')
  const keysOfEach = (map: object = {}) => Object.values(map).map((inner: object) => Object.keys(inner))
  const inventory = describeInventory(site)
  const printed = examples.find((one) => 'groups' in one)
  expect(Object.keys(printed ?? {})).toEqual(Object.keys(inventory))
  expect(keysOfEach(printed?.hosts)).toEqual(keysOfEach(inventory.hosts))

  const authority = { directory: '', directoryCaFile: '', caFile: '' }
  const status: LabStatus = { name: '', hosts: { 'lb-01': { address: '', running: true } }, authority }
  const lab = examples.find((one) => 'authority' in one)
  expect(Object.keys(lab ?? {})).toEqual(Object.keys(status))
  expect(keysOfEach(lab?.hosts)).toEqual(keysOfEach(status.hosts))
  expect(Object.keys(authority)).toEqual(expect.arrayContaining(Object.keys(lab?.authority ?? {})))
})
