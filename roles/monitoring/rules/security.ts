import type { Alert, Numbers } from './rule.ts'

/** What the checks of each host find. They are made every half minute, and once more before anybody is told. */
export const securityAlerts = ({ limits, checks }: Numbers): readonly Alert[] => [
  {
    alert: 'ChecksStale',
    expr: `time() - provision_checks_done_seconds > ${Math.max(180, 4 * checks)}`,
    severity: 'warning',
    summary: '{{ $labels.host }} has not looked at its files, ports and logins since {{ $value | humanizeDuration }}',
  },
  {
    alert: 'ManagedFileWrong',
    expr: 'provision_file_wrong == 1',
    for: checks + 5,
    severity: 'critical',
    summary: '{{ $labels.path }} on {{ $labels.host }} is {{ $labels.what }}, and not by a run of provision',
  },
  {
    alert: 'PackageFileWrong',
    expr: 'provision_package_file_wrong == 1',
    for: checks + 5,
    severity: 'critical',
    summary: '{{ $labels.path }} on {{ $labels.host }} is not as its package brought it',
  },
  {
    alert: 'SecurityUpdateWaits',
    expr: `provision_security_update_waiting_seconds > ${limits.security_update_days * 86_400}`,
    severity: 'warning',
    summary: 'a security update has been waiting on {{ $labels.host }} for {{ $value | humanizeDuration }}',
  },
  {
    alert: 'FailedLogins',
    expr: `increase(provision_ssh_failures_total[5m]) > ${limits.failed_logins}`,
    severity: 'warning',
    summary: '{{ $value | printf "%.0f" }} logins by SSH failed on {{ $labels.host }} within five minutes',
  },
  {
    alert: 'UnknownPort',
    expr: 'provision_port_unknown == 1',
    for: checks + 5,
    severity: 'critical',
    summary: '{{ $labels.program }} listens on {{ $labels.port }} of {{ $labels.host }}, of which no role speaks',
  },
  {
    alert: 'UnknownAccount',
    expr: 'provision_account_unknown == 1',
    for: checks + 5,
    severity: 'critical',
    summary: 'there is an account {{ $labels.user }} ({{ $labels.may }}) on {{ $labels.host }}, of which no role speaks',
  },
  {
    alert: 'SshdChanged',
    expr: 'provision_sshd_changed == 1',
    for: checks + 5,
    severity: 'critical',
    summary: 'the configuration of sshd on {{ $labels.host }} was changed, and not by a run of provision',
  },
  {
    alert: 'FirewallMissing',
    expr: 'provision_firewall_present == 0',
    for: checks + 5,
    severity: 'critical',
    summary: '{{ $labels.host }} has no firewall: the table of provision is not loaded',
  },
  {
    alert: 'FirewallDrops',
    expr: `sum by (host) (rate(provision_firewall_dropped_packets_total[5m])) > ${limits.firewall_drops}`,
    for: 300,
    severity: 'warning',
    summary: 'the firewall of {{ $labels.host }} drops {{ $value | printf "%.0f" }} packets a second',
  },
]
