import { type Alert, KEEP, OF_SERIES } from './rule.ts'

/** Alerts about the checks and targets of the options. */
export const checkAlerts = (): readonly Alert[] => [
  {
    alert: 'CheckFailed',
    expr: 'provision_check_declared and on (host, check) provision_check_ok == 0',
    severity: OF_SERIES,
    summary: '{{ $labels.summary }} (check {{ $labels.check }} on {{ $labels.host }})',
  },
  {
    alert: 'CheckStale',
    expr: 'provision_check_declared unless on (host, check) provision_check_due_seconds > time()',
    for: 120,
    severity: 'warning',
    summary: 'the check {{ $labels.check }} does not run on {{ $labels.host }}',
  },
  {
    alert: 'TargetDown',
    expr: 'up{host="elsewhere",job!~"site|service"} == 0',
    for: 60,
    severity: 'warning',
    summary: 'the measurements of {{ $labels.job }} at {{ $labels.instance }} cannot be read',
  },
  {
    alert: 'RemoteWriteBehind',
    expr: 'max by (host, url) (prometheus_remote_storage_highest_timestamp_in_seconds - ignoring (remote_name, url) group_right prometheus_remote_storage_queue_highest_sent_timestamp_seconds) > 300',
    for: 300,
    severity: 'warning',
    summary: 'measurements reach {{ $labels.url }} {{ $value | humanizeDuration }} late from {{ $labels.host }}, or not at all',
  },
  {
    alert: 'ServiceDown',
    expr: 'probe_success{job="service"} == 0',
    for: 20,
    keep: KEEP,
    severity: 'critical',
    summary: '{{ $labels.instance }} does not answer a probe',
  },
]
