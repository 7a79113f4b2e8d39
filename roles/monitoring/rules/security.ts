import type { Alert, Numbers } from './rule.ts'

const every = '1m'
const host = 'web-01'

/** What the checks of each host find. They are made every half minute, and once more before anybody is told. */
export const securityAlerts = ({ limits, checks }: Numbers): readonly Alert[] => [
  {
    alert: 'ChecksStale',
    expr: `time() - provision_checks_done_seconds > ${Math.max(180, 4 * checks)}`,
    severity: 'warning',
    summary: '{{ $labels.host }} has not looked at its files, ports and logins since {{ $value | humanizeDuration }}',
    cases: [
      {
        every,
        series: { 'provision_checks_done_seconds{host="web-01"}': '0x10' },
        quiet: '2m',
        at: '5m',
        labels: { host },
        says: 'web-01 has not looked at its files, ports and logins since 5m 0s',
      },
    ],
  },
  {
    alert: 'ManagedFileWrong',
    expr: 'provision_file_wrong == 1',
    for: checks + 5,
    severity: 'critical',
    summary: '{{ $labels.path }} on {{ $labels.host }} is {{ $labels.what }}, and not by a run of provision',
    cases: [
      {
        series: { 'provision_file_wrong{host="web-01",path="/etc/nginx/nginx.conf",what="changed"}': '_x4 1x30' },
        quiet: '40s',
        at: '180s',
        labels: { host, path: '/etc/nginx/nginx.conf', what: 'changed' },
        says: '/etc/nginx/nginx.conf on web-01 is changed, and not by a run of provision',
      },
    ],
  },
  {
    alert: 'PackageFileWrong',
    expr: 'provision_package_file_wrong == 1',
    for: checks + 5,
    severity: 'critical',
    summary: '{{ $labels.path }} on {{ $labels.host }} is not as its package brought it',
    cases: [
      {
        series: { 'provision_package_file_wrong{host="web-01",path="/usr/bin/ls"}': '_x4 1x30' },
        quiet: '40s',
        at: '180s',
        labels: { host, path: '/usr/bin/ls' },
        says: '/usr/bin/ls on web-01 is not as its package brought it',
      },
    ],
  },
  {
    alert: 'SecurityUpdateWaits',
    expr: `provision_security_update_waiting_seconds > ${limits.security_update_days * 86_400}`,
    severity: 'warning',
    summary: 'a security update has been waiting on {{ $labels.host }} for {{ $value | humanizeDuration }}',
    cases: [
      {
        series: { 'provision_security_update_waiting_seconds{host="web-01"}': '864000x9' },
        at: '60s',
        labels: { host },
        says: 'a security update has been waiting on web-01 for 10d 0h 0m 0s',
      },
    ],
  },
  {
    alert: 'FailedLogins',
    expr: `increase(provision_ssh_failures_total[5m]) > ${limits.failed_logins}`,
    severity: 'warning',
    summary: '{{ $value | printf "%.0f" }} logins by SSH failed on {{ $labels.host }} within five minutes',
    cases: [
      {
        every,
        series: { 'provision_ssh_failures_total{host="web-01"}': '0x5 50x10' },
        quiet: '4m',
        at: '8m',
        labels: { host },
        says: '50 logins by SSH failed on web-01 within five minutes',
      },
    ],
  },
  {
    alert: 'UnknownPort',
    expr: 'provision_port_unknown == 1',
    for: checks + 5,
    severity: 'critical',
    summary: '{{ $labels.program }} listens on {{ $labels.port }} of {{ $labels.host }}, of which no role speaks',
    cases: [
      {
        series: { 'provision_port_unknown{host="web-01",port="4444/tcp",program="nc"}': '_x4 1x30' },
        quiet: '40s',
        at: '180s',
        labels: { host, port: '4444/tcp', program: 'nc' },
        says: 'nc listens on 4444/tcp of web-01, of which no role speaks',
      },
    ],
  },
  {
    alert: 'UnknownAccount',
    expr: 'provision_account_unknown == 1',
    for: checks + 5,
    severity: 'critical',
    summary: 'there is an account {{ $labels.user }} ({{ $labels.may }}) on {{ $labels.host }}, of which no role speaks',
    cases: [
      {
        series: { 'provision_account_unknown{host="web-01",user="eve",may="sudo"}': '_x4 1x30' },
        quiet: '40s',
        at: '180s',
        labels: { host, user: 'eve', may: 'sudo' },
        says: 'there is an account eve (sudo) on web-01, of which no role speaks',
      },
    ],
  },
  {
    alert: 'SshdChanged',
    expr: 'provision_sshd_changed == 1',
    for: checks + 5,
    severity: 'critical',
    summary: 'the configuration of sshd on {{ $labels.host }} was changed, and not by a run of provision',
    cases: [
      {
        series: { 'provision_sshd_changed{host="web-01"}': '0x4 1x30' },
        quiet: '60s',
        at: '180s',
        labels: { host },
        says: 'the configuration of sshd on web-01 was changed, and not by a run of provision',
      },
    ],
  },
  {
    alert: 'FirewallMissing',
    expr: 'provision_firewall_present == 0',
    for: checks + 5,
    severity: 'critical',
    summary: '{{ $labels.host }} has no firewall: the table of provision is not loaded',
    cases: [
      {
        series: { 'provision_firewall_present{host="web-01"}': '1x4 0x30' },
        quiet: '60s',
        at: '180s',
        labels: { host },
        says: 'web-01 has no firewall: the table of provision is not loaded',
      },
    ],
  },
  {
    alert: 'FirewallDrops',
    expr: `sum by (host) (rate(provision_firewall_dropped_packets_total[5m])) > ${limits.firewall_drops}`,
    for: 300,
    severity: 'warning',
    summary: 'the firewall of {{ $labels.host }} drops {{ $value | printf "%.0f" }} packets a second',
    cases: [
      {
        every,
        series: { 'provision_firewall_dropped_packets_total{host="web-01",reason="input"}': '0+6000x20' },
        quiet: '4m',
        at: '12m',
        labels: { host },
        says: 'the firewall of web-01 drops 100 packets a second',
      },
    ],
  },
]
