import type { Text } from 'provision'
import type { Options } from '../options.ts'
import { type Yaml, yaml } from '../yaml.ts'
import { backupAlerts } from './backups.ts'
import { certificateAlerts } from './certificates.ts'
import { checkAlerts } from './checks.ts'
import { databaseAlerts, databaseRecords } from './database.ts'
import { alertRecords, UPTIME_SECONDS, uptimeRecords } from './history.ts'
import { hostAlerts } from './host.ts'
import { loadAlerts, loadRecords } from './load.ts'
import { ownAlerts } from './own.ts'
import type { Alert, Numbers, Rule } from './rule.ts'
import { RUNBOOKS } from './runbooks.ts'
import { securityAlerts } from './security.ts'
import { trafficAlerts, trafficRecords } from './traffic.ts'
import { watchAlerts } from './watch.ts'
import { webAlerts, webRecords } from './web.ts'

const numbersOf = ({ interval_seconds: interval, checks_seconds: checks, limits }: Options, members: number): Numbers => ({
  interval,
  checks,
  window: `${Math.max(60, 4 * interval)}s`,
  limits,
  members,
})

const WATCHDOG: Alert = {
  alert: 'Watchdog',
  expr: 'vector(1)',
  severity: 'none',
  summary: 'alert delivery works: this alert always fires, and goes to the heartbeat address only',
}

/** Group of the rules about long periods. */
const UPTIME = 'uptime'

/** All rules by group. */
export const rulesOf = (options: Options, members: number): Readonly<Record<string, readonly Rule[]>> => {
  const numbers = numbersOf(options, members)
  return {
    meta: [WATCHDOG],
    hosts: [...loadRecords(numbers), ...hostAlerts(), ...loadAlerts(numbers)],
    web: [...webRecords(numbers), ...trafficRecords(), ...webAlerts(), ...trafficAlerts(numbers)],
    database: [...databaseRecords(numbers), ...databaseAlerts(numbers)],
    backups: backupAlerts(numbers),
    certificates: certificateAlerts(numbers),
    security: securityAlerts(numbers),
    watch: watchAlerts(),
    checks: checkAlerts(),
    ...(options.rules.length === 0 ? {} : { own: ownAlerts(options.rules) }),
    history: alertRecords(),
    [UPTIME]: uptimeRecords(),
  }
}

export const alertsOf = (options: Options): readonly Alert[] => Object.values(rulesOf(options, 0)).flatMap(alertsIn)

export const alertsIn = (rules: readonly Rule[]): readonly Alert[] => rules.filter((rule): rule is Alert => 'alert' in rule)

/** Content of rules.yml. `keepsFiring`: whether Prometheus can keep alerts firing. */
export const rulesFile = (groups: ReturnType<typeof rulesOf>, keepsFiring: boolean): Text =>
  yaml({
    groups: Object.entries(groups).map(([name, rules]) => ({
      name,
      ...(name === UPTIME ? { interval: `${UPTIME_SECONDS}s` } : {}),
      rules: rules.map((rule) => ruleYaml(rule, keepsFiring)),
    })),
  })

const ruleYaml = (rule: Rule, keepsFiring: boolean): Yaml => {
  if ('record' in rule) return { record: rule.record, expr: rule.expr }
  return {
    alert: rule.alert,
    expr: rule.expr,
    ...(rule.for === undefined ? {} : { for: `${rule.for}s` }),
    ...(rule.keep === undefined || !keepsFiring ? {} : { keep_firing_for: `${rule.keep}s` }),
    labels: { severity: rule.severity },
    annotations: { summary: rule.summary, runbook: runbookOf(rule, '{{ $labels.host }}', '{{ $labels.name }}') },
  }
}

export const runbookOf = ({ alert, runbook }: Alert, host = '', unit = ''): string =>
  runbook ?? (RUNBOOKS[alert] ?? '').replaceAll('HOST', host).replaceAll('UNIT', unit)
