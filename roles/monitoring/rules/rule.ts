import type { Limits } from '../options.ts'

/** Parameters of the rules. */
export interface Numbers {
  /** Seconds between two measurements. */
  readonly interval: number
  /** Shortest range for a rate: `60s`. */
  readonly window: string
  /** Seconds between two checks that a host makes of itself. */
  readonly checks: number
  readonly limits: Limits
  /** Number of members of the database cluster, as the roles declare it. */
  readonly members: number
}

/** A recording rule: Prometheus stores the value of the expression under a name. */
export interface Recorded {
  readonly record: string
  readonly expr: string
}

/** An alerting rule. `runbooks.ts` has the runbook under the name of the alert. */
export interface Alert {
  readonly alert: string
  readonly expr: string
  /** Seconds that the expression must hold before the alert fires. */
  readonly for?: number
  /** Seconds that the alert keeps firing afterwards. A cause must outlive its effects; otherwise they are sent when it ends. */
  readonly keep?: number
  readonly severity: 'critical' | 'warning' | 'none' | typeof OF_SERIES
  readonly summary: string
  /** Default: the one of `runbooks.ts`. */
  readonly runbook?: string
}

/** The severity that the series of an alert has as a label. */
export const OF_SERIES = '{{ $labels.severity }}'

export type Rule = Recorded | Alert

/** Expression with the label `host` set to the server name that a balancer uses. */
export const byServer = (expr: string): string => `label_replace(${expr}, "host", "$1", "server", "(.+)")`

/** Template of an annotation: the label of each result of a query, after some words; nothing without results. */
export const listed = (words: string, query: string, label = 'host'): string =>
  `{{ with query \`${query}\` }}${words}{{ range $i, $one := . | sortByLabel "${label}" }}{{ if $i }},{{ end }} {{ $one.Labels.${label} }}{{ end }}{{ end }}`

/** Seconds that a cause keeps firing after it ended. */
export const KEEP = 30
