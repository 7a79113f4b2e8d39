import { AGE } from './format.ts'
import type { Alert, Numbers } from './rule.ts'

/** Alerts about the findings of the checks that hosts make of themselves. A second check must confirm a finding before its alert fires. */
export const securityAlerts = ({ limits, checks }: Numbers): readonly Alert[] => [
  {
    alert: 'ChecksStale',
    expr: `time() - provision_checks_done_seconds > ${Math.max(180, 4 * checks)}`,
    severity: 'warning',
    summary: `{{ $labels.host }} last checked its files, ports and logins {{ $value | ${AGE} }} ago`,
  },
  {
    alert: 'ManagedFileWrong',
    expr: 'provision_file_wrong == 1',
    for: checks + 5,
    severity: 'critical',
    summary: '{{ $labels.path }} on {{ $labels.host }} is not as the last run left it: {{ $labels.what }}',
  },
  {
    alert: 'PackageFileWrong',
    expr: 'provision_package_file_wrong == 1',
    for: checks + 5,
    severity: 'critical',
    summary: '{{ $labels.path }} on {{ $labels.host }} differs from the file in its package',
  },
  {
    alert: 'SecurityUpdateWaits',
    expr: `provision_security_update_waiting_seconds > ${limits.security_update_days * 86_400}`,
    severity: 'warning',
    summary: `a security update has been pending on {{ $labels.host }} for {{ $value | ${AGE} }}`,
  },
  {
    alert: 'FailedLogins',
    expr: `increase(provision_ssh_failures_total[5m]) > ${limits.failed_logins}`,
    severity: 'warning',
    summary: '{{ $value | printf "%.0f" }} SSH logins failed or were refused on {{ $labels.host }} within five minutes',
  },
  {
    alert: 'UnknownPort',
    expr: 'provision_port_unknown == 1',
    for: checks + 5,
    severity: 'critical',
    summary: '{{ $labels.program }} listens on {{ $labels.port }} of {{ $labels.host }}, which no role declares',
  },
  {
    alert: 'UnknownAccount',
    expr: 'provision_account_unknown == 1',
    for: checks + 5,
    severity: 'critical',
    summary: 'account {{ $labels.user }} ({{ $labels.may }}) on {{ $labels.host }} is not declared by any role',
  },
  {
    alert: 'SshdChanged',
    expr: 'provision_sshd_changed == 1',
    for: checks + 5,
    severity: 'critical',
    summary: 'the sshd configuration on {{ $labels.host }} is not as the last run left it',
  },
  {
    alert: 'FirewallMissing',
    expr: 'provision_firewall_present == 0',
    for: checks + 5,
    severity: 'critical',
    summary: '{{ $labels.host }} has no firewall: its nftables table is not loaded',
  },
  {
    alert: 'FirewallDrops',
    expr: `sum by (host) (rate(provision_firewall_dropped_packets_total[5m])) > ${limits.firewall_drops}`,
    for: 300,
    severity: 'warning',
    summary: 'the firewall of {{ $labels.host }} drops {{ $value | printf "%.0f" }} packets per second',
  },
]
