import type { Text } from 'provision'
import type { Options } from '../../roles/monitoring/options.ts'
import { alertsIn, rulesFile, rulesOf, runbookOf } from '../../roles/monitoring/rules/all.ts'
import type { Alert } from '../../roles/monitoring/rules/rule.ts'
import { type Yaml, yaml } from '../../roles/monitoring/yaml.ts'
import { alertCases } from './all.ts'

/**
 * Files for `promtool test rules *.tests.yml`, by name: the rules and the tests of each group. The groups are separate because promtool
 * evaluates all rules of a file for each case.
 */
export const promtoolFiles = (options: Options): Readonly<Record<string, Text>> =>
  Object.fromEntries(
    Object.entries(rulesOf(options, 3)).flatMap(([name, rules]) => [
      [`${name}.rules.yml`, rulesFile({ [name]: rules })],
      [`${name}.tests.yml`, testsFile(options, `${name}.rules.yml`, alertsIn(rules))],
    ]),
  )

const testsFile = (options: Options, rules: string, alerts: readonly Alert[]): Text => {
  const cases = alertCases(options)
  const interval = `${options.interval_seconds}s`
  return yaml({
    rule_files: [rules],
    evaluation_interval: interval,
    tests: alerts.flatMap((alert) =>
      (cases[alert.alert] ?? []).map(
        (one): Yaml => ({
          name: alert.alert,
          interval: one.interval ?? interval,
          input_series: Object.entries(one.series).map(([series, values]) => ({ series, values })),
          alert_rule_test: [
            ...(one.silentAt === undefined ? [] : [{ eval_time: one.silentAt, alertname: alert.alert, exp_alerts: [] }]),
            ...('summary' in one
              ? [{ eval_time: one.firingAt, alertname: alert.alert, exp_alerts: [expected(alert, one.labels ?? {}, one.summary)] }]
              : []),
          ],
        }),
      ),
    ),
  })
}

const expected = (alert: Alert, labels: Readonly<Record<string, string>>, summary: string): Yaml => ({
  exp_labels: { severity: alert.severity, ...labels },
  exp_annotations: { summary, runbook: runbookOf(alert, labels.host, labels.name) },
})
