import type { Options } from '../../roles/monitoring/options.ts'
import type { AlertCases } from './case.ts'

const host = 'web-02'
const timer = `node_systemd_unit_state{name="provision-database-backup.timer",state="active",host="${host}"}`
const filesTimer = `node_systemd_unit_state{name="provision-backup.timer",state="active",host="${host}"}`
const done = `provision_backup_done_seconds{host="${host}"}`

const durationOf = (seconds: number): string => {
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)]
  if (hours >= 24) return `${Math.floor(hours / 24)} d ${hours % 24} h`
  return hours > 0 ? `${hours} h ${minutes} min` : `${minutes} min`
}

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
    BackupMissing: ['_', '0'].map((never) => ({
      interval: '1m',
      series: { [timer]: `1x${Math.ceil(longest / 60) + 9}`, [done]: `${never}x${Math.ceil(longest / 60) + 9}` },
      silentAt: `${longest - 5}s`,
      firingAt: `${longest}s`,
      labels: { host, name: 'provision-database-backup.timer', state: 'active' },
      summary: 'the database on web-02 has never had a good backup',
    })),
    BackupTimerStopped: [
      {
        series: { [timer]: '1x4 0x20' },
        silentAt: '85s',
        firingAt: '90s',
        labels: { host, name: 'provision-database-backup.timer', state: 'active' },
        summary: 'the database on web-02 is no longer backed up: its backup timer is stopped',
      },
    ],
    FileBackupMissing: [
      {
        interval: '1m',
        series: { [filesTimer]: `1x${Math.ceil(longest / 60) + 9}`, [done]: `7x${Math.ceil(longest / 60) + 9}` },
        silentAt: `${longest - 5}s`,
        firingAt: `${longest}s`,
        labels: { host, name: 'provision-backup.timer', state: 'active' },
        summary: 'the files of web-02 have never had a good backup',
      },
    ],
    FileBackupTimerStopped: [
      {
        series: { [filesTimer]: '1x4 0x20' },
        silentAt: '85s',
        firingAt: '90s',
        labels: { host, name: 'provision-backup.timer', state: 'active' },
        summary: 'the files of web-02 are no longer backed up: the backup timer is stopped',
      },
    ],
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
