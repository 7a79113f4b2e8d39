import type { Alert, Numbers } from './rule.ts'

const TIMER = 'node_systemd_unit_state{name="provision-database-backup.timer",state="active"}'

/** Of backups, by what whoever makes them writes down; that there shall be some of the database is known by their timer. */
export const backupAlerts = ({ limits }: Numbers): readonly Alert[] => {
  const longest = Math.ceil(limits.backup_hours * 3600)
  return [
    {
      alert: 'BackupTooOld',
      expr: `time() - (provision_backup_done_seconds != 0) > ${longest}`,
      for: 60,
      severity: 'critical',
      summary: 'the last good backup of {{ $labels.host }} is {{ $value | humanizeDuration }} old',
    },
    {
      alert: 'BackupMissing',
      // Who tried and failed wrote down when there was a good one: never.
      expr: `${TIMER} unless on (host) provision_backup_done_seconds != 0`,
      for: longest,
      severity: 'critical',
      summary: 'there has never been a good backup of the database on {{ $labels.host }}',
    },
    {
      alert: 'BackupTimerStopped',
      expr: `${TIMER} == 0`,
      for: 40,
      severity: 'critical',
      summary: 'the database on {{ $labels.host }} is not saved any more: the timer of its backups does not run',
    },
    {
      alert: 'RestoreTestFailed',
      expr: 'provision_restore_test_ok == 0',
      for: 20,
      severity: 'critical',
      summary: 'the last backup of {{ $labels.host }} is no good one: it was not made, not kept, or did not come back as it was saved',
    },
  ]
}
