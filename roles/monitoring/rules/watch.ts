import { AGE } from './format.ts'
import type { Alert } from './rule.ts'

/** Limits a metric of a watch to the newest result. A monitoring server that was down has an older one. */
const newest = (metric: string): string =>
  `(${metric} and on (host, watch) (provision_watch_done_seconds == on (watch) group_left () max by (watch) (provision_watch_done_seconds)))`

/** The host that a watch compared as the label `host`, which is the monitoring server in the metric. */
const byHost = (metric: string): string =>
  `max by (host, watch) (label_replace(max by (at, watch) ${newest(metric)}, "host", "$1", "at", "(.+)"))`

/** Template of the first resources that differ, after a colon. */
const RESOURCES =
  '{{ with printf "max by (action, resource) (provision_watch_difference{watch=%q,at=%q})" .Labels.watch .Labels.host | query }}:{{ range $i, $one := . | sortByLabel "resource" }}{{ if $i }},{{ end }} {{ $one.Labels.action }} {{ $one.Labels.resource }}{{ end }}{{ end }}'

/** Alerts of `provision schedule install --watch`, which writes the results of dry runs to the monitoring servers. */
export const watchAlerts = (): readonly Alert[] => [
  {
    alert: 'HostDiffers',
    expr: `${byHost('provision_watch_differences')} > 0`,
    severity: 'warning',
    summary: `{{ $labels.host }} differs from the playbook (resources: {{ $value }})${RESOURCES}`,
  },
  {
    alert: 'WatchIncomplete',
    expr: `${byHost('provision_watch_unobserved')} == 1`,
    severity: 'warning',
    summary: '{{ $labels.host }} could not be compared with the playbook',
  },
  {
    alert: 'WatchStale',
    expr: 'time() - max by (watch) (provision_watch_done_seconds) and on (watch) time() > max by (watch) (provision_watch_due_seconds)',
    for: 60,
    severity: 'warning',
    summary: `{{ $labels.watch }} last compared the hosts with the playbook {{ $value | ${AGE} }} ago`,
  },
]
