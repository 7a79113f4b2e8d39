import type { OwnRule } from '../options/alerts.ts'
import type { Alert } from './rule.ts'

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 }

/** The alerts of the option `rules`. */
export const ownAlerts = (rules: readonly OwnRule[]): readonly Alert[] =>
  rules.map(({ name, expr, for: time, severity, summary, runbook = '' }) => {
    const seconds = Number(time.slice(0, -1)) * (SECONDS[time.slice(-1)] ?? 1)
    return { alert: name, expr, ...(seconds > 0 && { for: seconds }), severity, summary, runbook }
  })
