import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { expressionFault, templateFault } from '../../../../roles/monitoring/options/syntax.ts'
import monitoring from '../../../../roles/monitoring/role.ts'
import { alertsOf } from '../../../../roles/monitoring/rules/all.ts'
import { yaml } from '../../../../roles/monitoring/yaml.ts'
import { bytesOf } from '../../../../src/resource/kind/content.ts'
import { declared, faultPaths, LB, parsed, site, textOf } from './context.ts'

const directory = mkdtempSync(join(tmpdir(), 'provision-rules-'))
afterAll(() => rmSync(directory, { recursive: true }))
const promtool = (...words: readonly string[]) => {
  const { status, stdout, stderr } = spawnSync('promtool', words, { cwd: directory, encoding: 'utf8' })
  return [status, `${stdout}${stderr}`] as const
}
const hasPromtool = spawnSync('promtool', ['--version']).status === 0

const QUEUE = {
  name: 'QueueTooLong',
  expr: 'sum by (host) (shop_queue_length) > 100',
  summary: '{{ $value }} orders wait on {{ $labels.host }}',
}

describe('an expression in PromQL', () => {
  const valid = [
    'shop_queue_length > 100',
    'sum by (host) (rate(http_requests_total{code=~"5..",job!="x"}[5m])) / sum(rate(x[1h30m:5m] offset 1w)) >= 0.05',
    "absent(up{job='shop'}) or on () vector(1)",
    'up == 0 unless on (host) probe_success{job="ping"} == 1',
    'a * on (host) group_left (role) b',
    'x == bool 1 and topk(3, y) > -1.5e3',
    'SUM(x) BY (host) > 0x1f',
    'x @ end() # a comment',
    'x > Inf',
    'max_over_time(x[1d]) - min_over_time(x[1d:]) > .5',
    'histogram_quantile(0.99, sum by (le) (rate(x_bucket[5m]))) > 1',
    'count_values("version", build_info) > 1',
    `{__name__="a b", x="\\"}"} > 1`,
  ]
  it.each(valid)('is accepted: %s', (expr) => expect(expressionFault(expr)).toBeUndefined())

  it.skipIf(!hasPromtool)('is accepted by promtool too', () => {
    const rules = valid.map((expr, i) => ({ alert: `A${i}`, expr }))
    writeFileSync(join(directory, 'valid.yml'), bytesOf(yaml({ groups: [{ name: 'x', rules }] })))
    expect(promtool('check', 'rules', 'valid.yml')).toEqual([0, expect.stringContaining('13 rules found')])
  })

  const invalid = [
    ['', 'must be an expression in PromQL such as shop_queue_length > 100'],
    ['# nothing', 'must be an expression in PromQL such as shop_queue_length > 100'],
    ['rat(x[5m]) > 1', 'has no function rat'],
    ['sum(rate(x[5m]) > 1', 'has a ( that is not closed'],
    ['x{a="b" > 1', 'has a { that is not closed'],
    ['sum(x}) > 1', 'has a } at character 6 that closes no bracket'],
    ['x) > 1', 'has a ) at character 2 that closes no bracket'],
    ['x > 1 &', 'has an unexpected "&" at character 7'],
    ['x{a="b} > 1', 'has an unexpected "\\"b} > 1" at character 5'],
    ['x[5 m > 1', 'has an unexpected "[5 m > 1" at character 2'],
    ['x >', 'ends with an operator'],
    ['x and', 'ends with an operator'],
    ['x y > 1', 'lacks an operator before y at character 3'],
    ['x 100', 'lacks an operator before 100 at character 3'],
  ] as const
  it.each(invalid)('is refused: %s', (expr, fault) => expect(expressionFault(expr)).toBe(fault))

  it.skipIf(!hasPromtool).each(invalid.map(([expr]) => expr))('is refused by promtool too: %s', (expr) => {
    writeFileSync(join(directory, 'invalid.yml'), bytesOf(yaml({ groups: [{ name: 'x', rules: [{ alert: 'A', expr }] }] })))
    expect(promtool('check', 'rules', 'invalid.yml')[0]).not.toBe(0)
  })
})

describe('a rule of the options', () => {
  const options = { rules: [{ ...QUEUE, for: '5m', severity: 'critical', runbook: 'Start a worker on HOST.' }] }

  it('becomes an alert beside the built-in ones, which verify looks for', () => {
    const { groups } = parsed(declared(LB, options), 'file:/etc/prometheus/provision/rules.yml')
    expect(groups.find(({ name }: { name: string }) => name === 'own')).toEqual({
      name: 'own',
      rules: [
        {
          ...{ alert: 'QueueTooLong', expr: QUEUE.expr, for: '300s', labels: { severity: 'critical' } },
          annotations: { summary: QUEUE.summary, runbook: 'Start a worker on HOST.' },
        },
      ],
    })
    const checks = monitoring.verify?.({ host: LB, site: site([LB]), flows: [], options: monitoring.options.parse(options) })
    expect(String(checks?.find(({ name }) => name === 'every rule is loaded')?.script)).toMatch(/ServiceDown QueueTooLong;/)
    expect(textOf(declared(LB), 'file:/etc/prometheus/provision/rules.yml')).not.toContain('name: own')
  })

  it('warns at once by default, without an instruction', () => {
    const [rule] = monitoring.options.parse({ rules: [QUEUE] }).rules
    expect(rule).toEqual({ ...QUEUE, for: '0s', severity: 'warning' })
    const alert = alertsOf(monitoring.options.parse({ rules: [QUEUE] })).at(-1)
    expect(alert).toEqual({ alert: 'QueueTooLong', expr: QUEUE.expr, severity: 'warning', summary: QUEUE.summary, runbook: '' })
  })

  it.each([
    ['90s', 90],
    ['2m', 120],
    ['3h', 10_800],
    ['1d', 86_400],
  ])('waits %s', (time, seconds) =>
    expect(alertsOf(monitoring.options.parse({ rules: [{ ...QUEUE, for: time }] })).at(-1)?.for).toBe(seconds),
  )

  it.skipIf(!hasPromtool)('fires in Prometheus after its time, with its summary and runbook', () => {
    writeFileSync(join(directory, 'own.yml'), textOf(declared(LB, options), 'file:/etc/prometheus/provision/rules.yml'))
    const at = (eval_time: string, exp_alerts: object[]) => ({ eval_time, alertname: 'QueueTooLong', exp_alerts })
    const alert = {
      exp_labels: { severity: 'critical', host: 'web-01' },
      exp_annotations: { summary: '120 orders wait on web-01', runbook: 'Start a worker on HOST.' },
    }
    const scene = {
      interval: '1m',
      input_series: [
        { series: 'shop_queue_length{host="web-01",shard="a"}', values: '60x20' },
        { series: 'shop_queue_length{host="web-01",shard="b"}', values: '60x20' },
        { series: 'shop_queue_length{host="web-02"}', values: '60x20' },
      ],
      alert_rule_test: [at('4m', []), at('6m', [alert])],
    }
    writeFileSync(join(directory, 'own.tests.yml'), JSON.stringify({ rule_files: ['own.yml'], evaluation_interval: '1m', tests: [scene] }))
    expect(promtool('test', 'rules', 'own.tests.yml')).toEqual([0, expect.stringContaining('SUCCESS')])
  })

  it.each([
    ['an invalid expression', { expr: 'x >' }],
    ['a name with a space', { name: 'Queue long' }],
    ['a time without a unit', { for: '5' }],
    ['a severity that no receiver has', { severity: 'info' }],
    ['a summary of two lines', { summary: 'a\nb' }],
    ['a template that is not closed', { summary: '{{ $value' }],
    ['an unknown option', { labels: {} }],
  ])('is refused with %s', (_, wrong) => expect(monitoring.options.safeParse({ rules: [{ ...QUEUE, ...wrong }] }).success).toBe(false))

  it.each([
    ['{{ $value }} wait', undefined],
    ['{{ printf "{{" }}', undefined],
    ['a }}', 'has a {{ or }} without its pair'],
    ['{{ a {{ b }}', 'has a {{ or }} without its pair'],
  ])('has templates whose braces match: %s', (text, fault) => expect(templateFault(text)).toBe(fault))

  it.each([
    ['of a built-in alert', [{ ...QUEUE, name: 'HostDown' }], 0],
    ['of the test alert', [{ ...QUEUE, name: 'TestAlert' }], 0],
    ['of another rule', [QUEUE, QUEUE], 1],
  ])('is refused with the name %s', (_, rules, i) => expect(faultPaths({ rules })).toEqual([`rules.${i}.name`]))
})
