import type { Alert, Numbers } from './rule.ts'

const host = 'web-02'
const TIMER = 'node_systemd_unit_state{name="provision-database-backup.timer",state="active"}'
const timer = `${TIMER.slice(0, -1)},host="${host}"}`
const done = `provision_backup_done_seconds{host="${host}"}`

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
      cases: [
        {
          every: '1m',
          series: { [done]: '-360000x20', 'provision_backup_done_seconds{host="web-01"}': '0x20' },
          at: '10m',
          labels: { host },
          says: 'the last good backup of web-02 is 4d 4h 10m 0s old',
        },
      ],
    },
    {
      alert: 'BackupMissing',
      // Who tried and failed wrote down when there was a good one: never.
      expr: `${TIMER} unless on (host) provision_backup_done_seconds != 0`,
      for: longest,
      severity: 'critical',
      summary: 'there has never been a good backup of the database on {{ $labels.host }}',
      cases: ['_', '0'].map((never) => ({
        every: '1m',
        series: { [timer]: `1x${Math.ceil(longest / 60) + 9}`, [done]: `${never}x${Math.ceil(longest / 60) + 9}` },
        quiet: `${longest - 60}s`,
        at: `${longest + 60}s`,
        labels: { host, name: 'provision-database-backup.timer', state: 'active' },
        says: 'there has never been a good backup of the database on web-02',
      })),
    },
    {
      alert: 'BackupTimerStopped',
      expr: `${TIMER} == 0`,
      for: 40,
      severity: 'critical',
      summary: 'the database on {{ $labels.host }} is not saved any more: the timer of its backups does not run',
      cases: [
        {
          series: { [timer]: '1x4 0x20' },
          quiet: '70s',
          at: '100s',
          labels: { host, name: 'provision-database-backup.timer', state: 'active' },
          says: 'the database on web-02 is not saved any more: the timer of its backups does not run',
        },
      ],
    },
    {
      alert: 'RestoreTestFailed',
      expr: 'provision_restore_test_ok == 0',
      for: 20,
      severity: 'critical',
      summary: 'the last backup of {{ $labels.host }} is no good one: it was not made, not kept, or did not come back as it was saved',
      cases: [
        {
          series: { 'provision_restore_test_ok{host="web-02"}': '0x30' },
          quiet: '10s',
          at: '60s',
          labels: { host },
          says: 'the last backup of web-02 is no good one: it was not made, not kept, or did not come back as it was saved',
        },
      ],
    },
  ]
}
