import type { Options } from '../../roles/monitoring/options.ts'
import type { AlertCase, AlertCases } from './case.ts'

const host = 'web-02'
const done = `provision_backup_done_seconds{host="${host}"}`

const durationOf = (seconds: number): string => {
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)]
  if (hours >= 24) return `${Math.floor(hours / 24)} d ${hours % 24} h`
  return hours > 0 ? `${hours} h ${minutes} min` : `${minutes} min`
}

/** Series of the state of a timer, and labels of its alerts. */
const timerOf = (name: string) => ({
  series: `node_systemd_unit_state{name="${name}",state="active",host="${host}"}`,
  labels: { host, name, state: 'active' },
})
const DATABASE = timerOf('provision-database-backup.timer')
const FILES = timerOf('provision-backup.timer')

/** A timer that is active for all this time, and a backup with this value of `done`. */
const missing = ({ series, labels }: typeof FILES, longest: number, never: string, summary: string): AlertCase => {
  const last = Math.ceil(longest / 60) + 9
  return {
    interval: '1m',
    series: { [series]: `1x${last}`, [done]: `${never}x${last}` },
    ...{ silentAt: `${longest - 5}s`, firingAt: `${longest}s`, labels, summary },
  }
}

/** A timer that is stopped. */
const stopped = ({ series, labels }: typeof FILES, summary: string): AlertCase => ({
  series: { [series]: '1x4 0x20' },
  ...{ silentAt: '85s', firingAt: '90s', labels, summary },
})

/** `BackupMissing` waits for a limit of the options, so its cases depend on them. */
export const backupCases = ({ limits }: Options): AlertCases => {
  const longest = Math.ceil(limits.backup_hours * 3600)
  return {
    BackupTooOld: [
      {
        interval: '1m',
        // A host without a good backup has another alert.
        series: { [done]: `${-longest}x20`, 'provision_backup_done_seconds{host="web-01"}': '0x20' },
        silentAt: '60s',
        firingAt: '65s',
        labels: { host },
        summary: `the last good backup of web-02 is ${durationOf(longest + 65)} old`,
      },
    ],
    BackupMissing: ['_', '0'].map((never) => missing(DATABASE, longest, never, 'the database on web-02 has never had a good backup')),
    BackupTimerStopped: [stopped(DATABASE, 'the database on web-02 is no longer backed up: its backup timer is stopped')],
    // A backup of the database is none of the files.
    FileBackupMissing: [missing(FILES, longest, '7', 'the files of web-02 have never had a good backup')],
    FileBackupTimerStopped: [stopped(FILES, 'the files of web-02 are no longer backed up: the backup timer is stopped')],
    RestoreTestFailed: [
      {
        series: { 'provision_restore_test_ok{host="web-02"}': '0x30' },
        silentAt: '15s',
        firingAt: '20s',
        labels: { host },
        summary: 'the last backup of web-02 is unusable: it was not made, not kept, or differed when restored',
      },
    ],
  }
}
