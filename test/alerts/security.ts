import type { AlertCases } from './case.ts'

const interval = '1m'
const host = 'web-01'

export const securityCases: AlertCases = {
  ChecksStale: [
    {
      interval,
      series: { 'provision_checks_done_seconds{host="web-01"}': '4x10' },
      silentAt: '180s',
      firingAt: '185s',
      labels: { host },
      summary: 'web-01 last checked its files, ports and logins 3 min ago',
    },
  ],
  ManagedFileWrong: [
    {
      series: { 'provision_file_wrong{host="web-01",path="/etc/nginx/nginx.conf",what="changed"}': '_x4 1x30' },
      silentAt: '70s',
      firingAt: '75s',
      labels: { host, path: '/etc/nginx/nginx.conf', what: 'changed' },
      summary: '/etc/nginx/nginx.conf on web-01 is not as the last run left it: changed',
    },
  ],
  PackageFileWrong: [
    {
      series: { 'provision_package_file_wrong{host="web-01",path="/usr/bin/ls"}': '_x4 1x30' },
      silentAt: '70s',
      firingAt: '75s',
      labels: { host, path: '/usr/bin/ls' },
      summary: '/usr/bin/ls on web-01 differs from the file in its package',
    },
  ],
  SecurityUpdateWaits: [
    {
      series: { 'provision_security_update_waiting_seconds{host="web-01"}': '172800x2 172801x9' },
      silentAt: '25s',
      firingAt: '30s',
      labels: { host },
      summary: 'a security update has been pending on web-01 for 2 d 0 h',
    },
  ],
  FailedLogins: [
    {
      interval,
      series: { 'provision_ssh_failures_total{host="web-01"}': '0x5 31x10' },
      silentAt: '355s',
      firingAt: '10m',
      labels: { host },
      summary: '31 SSH logins failed or were refused on web-01 within five minutes',
    },
  ],
  UnknownPort: [
    {
      series: { 'provision_port_unknown{host="web-01",port="4444/tcp",program="nc"}': '_x4 1x30' },
      silentAt: '70s',
      firingAt: '75s',
      labels: { host, port: '4444/tcp', program: 'nc' },
      summary: 'nc listens on 4444/tcp of web-01, which no role declares',
    },
  ],
  UnknownAccount: [
    {
      series: { 'provision_account_unknown{host="web-01",user="eve",may="sudo"}': '_x4 1x30' },
      silentAt: '70s',
      firingAt: '75s',
      labels: { host, user: 'eve', may: 'sudo' },
      summary: 'account eve (sudo) on web-01 is not declared by any role',
    },
  ],
  SshdChanged: [
    {
      series: { 'provision_sshd_changed{host="web-01"}': '0x4 1x30' },
      silentAt: '80s',
      firingAt: '85s',
      labels: { host },
      summary: 'the sshd configuration on web-01 is not as the last run left it',
    },
  ],
  FirewallMissing: [
    {
      series: { 'provision_firewall_present{host="web-01"}': '1x4 0x30' },
      silentAt: '80s',
      firingAt: '85s',
      labels: { host },
      summary: 'web-01 has no firewall: its nftables table is not loaded',
    },
  ],
  FirewallDrops: [
    {
      interval,
      series: { 'provision_firewall_dropped_packets_total{host="web-01",reason="input"}': '0+6000x20' },
      silentAt: '360s',
      firingAt: '365s',
      labels: { host },
      summary: 'the firewall of web-01 drops 100 packets per second',
    },
  ],
}
