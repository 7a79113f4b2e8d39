import type { Text } from 'provision'
import type { Options } from '../../roles/monitoring/options.ts'
import { alertsIn, rulesFile, rulesOf, runbookOf } from '../../roles/monitoring/rules/all.ts'
import type { Alert } from '../../roles/monitoring/rules/rule.ts'
import { type Yaml, yaml } from '../../roles/monitoring/yaml.ts'
import { alertCases } from './all.ts'
import type { AlertCase, RecordCase } from './case.ts'
import { recordCases } from './records.ts'

/**
 * Files for `promtool test rules *.tests.yml`, by name: the rules and the tests of each group. The groups are separate because promtool
 * evaluates all rules of a file for each case.
 */
export const promtoolFiles = (options: Options): Readonly<Record<string, Text>> =>
  Object.fromEntries(
    Object.entries(rulesOf(options, 3)).flatMap(([name, rules]) => {
      const tests = [false, true].flatMap((isLong): readonly (readonly [string, Text])[] => {
        const all = [
          ...alertsIn(rules).flatMap((alert) => alertTests(options, alert, isLong)),
          ...(isLong ? [] : rules.flatMap((rule) => ('record' in rule ? recordTests(options, rule.record) : []))),
        ]
        const evaluation = isLong ? '1m' : '5s'
        const content = yaml({ rule_files: [`${name}.rules.yml`], evaluation_interval: evaluation, tests: all })
        return all.length === 0 ? [] : [[`${name}${isLong ? '-long' : ''}.tests.yml`, content]]
      })
      return [[`${name}.rules.yml`, rulesFile({ [name]: rules }, true)] as const, ...tests]
    }),
  )

const input = (options: Options, { series, interval }: AlertCase | RecordCase) => ({
  interval: interval ?? `${options.interval_seconds}s`,
  input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
})

const alertTests = (options: Options, alert: Alert, isLong: boolean): readonly Yaml[] =>
  (alertCases(options)[alert.alert] ?? [])
    .filter((one) => (one.isLong ?? false) === isLong)
    .map((one) => ({
      name: alert.alert,
      ...input(options, one),
      alert_rule_test: [
        ...[one.silentAt ?? []].flat().map((at) => ({ eval_time: at, alertname: alert.alert, exp_alerts: [] })),
        ...('summary' in one
          ? [one.firingAt].flat().map((at) => ({
              eval_time: at,
              alertname: alert.alert,
              exp_alerts: [expected(alert, one.labels ?? {}, one.summary)],
            }))
          : []),
      ],
    }))

const recordTests = (options: Options, record: string): readonly Yaml[] => {
  const one = recordCases[record]
  if (one === undefined) throw new Error(`${record} has no case`)
  // Versions of Prometheus differ in the last bits of a fraction.
  const samples = Object.entries(one.values).map(([labels, value]) => ({ labels, value: Math.round(1000 * value) }))
  return [
    {
      name: record,
      ...input(options, one),
      promql_expr_test: [{ expr: `round(1000 * ${record})`, eval_time: one.at, exp_samples: samples }],
    },
  ]
}

const expected = (alert: Alert, labels: Readonly<Record<string, string>>, summary: string): Yaml => ({
  exp_labels: { severity: alert.severity, ...labels },
  exp_annotations: { summary, runbook: runbookOf(alert, labels.host, labels.name) },
})
