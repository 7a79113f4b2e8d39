/** One line of the section: its name, and templates of its class (`well` or `ill`) and of its finding. */
interface Line {
  readonly name: string
  readonly mark: string
  readonly finding: string
}

const COUNT = '{{ . | first | value | printf "%.0f" }}'
const count = (query: string): string => `{{ with query "${query}" }}${COUNT}{{ else }}0{{ end }}`
const illIf = (query: string): string => `{{ if query "${query}" }}ill{{ else }}well{{ end }}`
const hostsIn = (query: string): string => `{{ template "hosts" query "${query}" | sortByLabel "host" }}`

/** Line of a query that must have no results: their number and hosts with the adjective, or these words if there are none. */
const none = (name: string, query: string, words: string, adjective: string): Line => ({
  name,
  mark: illIf(query),
  finding: `{{ if query "${query}" }}${count(`count(${query})`)} ${adjective} on ${hostsIn(`count by (host) (${query})`)}{{ else }}${words}{{ end }}`,
})

const WRONG = 'provision_file_wrong == 1'
const UNKNOWN = `provision_port_unknown == 1 or provision_account_unknown == 1 or provision_sshd_changed == 1`
const OPEN = 'provision_firewall_present == 0'
const BACKUP = 'provision_backup_done_seconds != 0'
const TIMER = `node_systemd_unit_state{name='provision-database-backup.timer',state='active'}`

/** True if databases run and none of them has a backup. */
export const NO_BACKUP = `(count(mysql_up) or count(${TIMER})) unless on () count(${BACKUP})`

const backups: Line = {
  name: 'backups',
  mark: `{{ if query "${NO_BACKUP}" }}ill{{ else if query "provision_restore_test_ok == 0" }}ill{{ else }}well{{ end }}`,
  finding: `{{ range $i, $one := query "${BACKUP}" | sortByLabel "host" }}{{ if $i }}; {{ end }}{{ $one.Labels.host }} {{ with printf "time()-provision_backup_done_seconds{host='%s'}" $one.Labels.host | query }}{{ template "age" . | first | value }} ago{{ end }}{{ with printf "provision_restore_test_ok{host='%s'}" $one.Labels.host | query }}{{ if eq (. | first | value) 1.0 }}, restored and compared{{ else }}, the last attempt failed{{ end }}{{ end }}{{ else }}{{ if query "${NO_BACKUP}" }}no backup exists{{ else }}nothing is backed up{{ end }}{{ end }}`,
}

const certificates: Line = {
  name: 'certificates between hosts',
  mark: illIf('provision_certificate_ends_seconds - time() < 86400'),
  finding: `{{ with query "bottomk(1, (provision_certificate_ends_seconds - time()) / 86400)" }}${count('count(provision_certificate_ends_seconds)')}; the first ends in {{ . | first | value | printf "%.0f" }} days ({{ . | first | label "path" }} on {{ . | first | label "host" }}){{ else }}none{{ end }}`,
}

const lines = (receivers: readonly string[], hasHeartbeat: boolean): readonly Line[] => [
  {
    name: 'alerts go to',
    mark: receivers.length === 0 ? 'ill' : illIf('increase(alertmanager_notifications_failed_total[1h]) > 0'),
    finding: `${receivers.join(', ') || 'no receiver: add one under monitoring.receivers'}{{ with query "sum(increase(alertmanager_notifications_failed_total[1h])) > 0.5" }}; {{ . | first | value | printf "%.0f" }} deliveries failed in the last hour{{ end }}`,
  },
  {
    name: 'heartbeat',
    mark: hasHeartbeat ? 'well' : 'none',
    finding: hasHeartbeat
      ? 'an external service is called every minute'
      : 'none: a failure of this host goes unnoticed (monitoring.heartbeat)',
  },
  {
    name: 'last checked',
    mark: illIf('time() - provision_checks_done_seconds > 600'),
    finding: `{{ with query "max(time() - provision_checks_done_seconds)" }}${count('count(provision_checks_done_seconds)')} hosts, each within the last {{ template "age" . | first | value }}{{ else }}no host has checked itself{{ end }}`,
  },
  none('managed files', WRONG, `${count('sum(provision_files_watched)')} as the last run left them`, 'changed'),
  none('files of packages', 'provision_package_file_wrong == 1', 'unchanged', 'changed'),
  none('ports, accounts, sshd', UNKNOWN, 'nothing that no role declares', 'unknown or changed'),
  none('firewall', OPEN, `on ${count('count(provision_firewall_present)')} hosts`, 'missing'),
  {
    name: 'security updates',
    mark: illIf('provision_security_update_waiting_seconds > 86400'),
    finding: `{{ with query "sum(provision_updates_pending{kind='security'}) > 0" }}${COUNT} pending on ${hostsIn(`provision_updates_pending{kind='security'} > 0`)}{{ with query "max(provision_security_update_waiting_seconds)" }}, the oldest for {{ template "age" . | first | value }}{{ end }}{{ else }}none pending{{ end }}{{ with query "sum(provision_updates_pending{kind='other'}) > 0" }}; ${COUNT} other updates{{ end }}`,
  },
  none('reboots', 'provision_reboot_required == 1', 'none needed', 'needed'),
  backups,
  certificates,
]

/** The protection of the site. It is shown even if nothing is wrong. */
export const checksOf = (receivers: readonly string[], hasHeartbeat: boolean): string => `<h2>Protection</h2>
<section class="checks"><dl>
${lines(receivers, hasHeartbeat)
  .map(({ name, mark, finding }) => `<dt>${name}</dt><dd class="${mark}">${finding}</dd>`)
  .join('\n')}
</dl></section>
`
