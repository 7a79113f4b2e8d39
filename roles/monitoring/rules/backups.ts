import { AGE } from './format.ts'
import type { Alert, Numbers } from './rule.ts'

/** A host can back up its database (role mysql) and its files (role backup). The metrics of the latter have a label. */
const TIMER = 'node_systemd_unit_state{name="provision-database-backup.timer",state="active"}'

const FILES_TIMER = 'node_systemd_unit_state{name="provision-backup.timer",state="active"}'

/** Alerts about backups, from the metrics that backup jobs write. A host with the backup timer is expected to have backups. */
export const backupAlerts = ({ limits }: Numbers): readonly Alert[] => {
  const longest = Math.ceil(limits.backup_hours * 3600)
  return [
    {
      alert: 'BackupTooOld',
      expr: `time() - (provision_backup_done_seconds != 0) > ${longest}`,
      for: 60,
      severity: 'critical',
      summary: `the last good backup of {{ $labels.host }} is {{ $value | ${AGE} }} old`,
    },
    {
      alert: 'BackupMissing',
      // A job that has never succeeded reports 0.
      expr: `${TIMER} unless on (host) provision_backup_done_seconds{backup=""} != 0`,
      for: longest,
      severity: 'critical',
      summary: 'the database on {{ $labels.host }} has never had a good backup',
    },
    {
      alert: 'BackupTimerStopped',
      expr: `${TIMER} == 0`,
      for: 40,
      severity: 'critical',
      summary: 'the database on {{ $labels.host }} is no longer backed up: its backup timer is stopped',
    },
    {
      alert: 'FileBackupMissing',
      expr: `${FILES_TIMER} unless on (host) provision_backup_done_seconds{backup="files"} != 0`,
      for: longest,
      severity: 'critical',
      summary: 'the files of {{ $labels.host }} have never had a good backup',
    },
    {
      alert: 'FileBackupTimerStopped',
      expr: `${FILES_TIMER} == 0`,
      for: 40,
      severity: 'critical',
      summary: 'the files of {{ $labels.host }} are no longer backed up: the backup timer is stopped',
    },
    {
      alert: 'RestoreTestFailed',
      expr: 'provision_restore_test_ok == 0',
      for: 20,
      severity: 'critical',
      summary: 'the last backup of {{ $labels.host }} is unusable: it was not made, not kept, or differed when restored',
    },
  ]
}
