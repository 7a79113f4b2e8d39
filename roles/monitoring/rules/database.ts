import { type Alert, KEEP, type Numbers, type Recorded } from './rule.ts'

const commands = (names: string, window: string): string =>
  `sum by (host) (rate(mysql_global_status_commands_total{command=~"${names}"}[${window}]))`

export const databaseRecords = ({ window }: Numbers): readonly Recorded[] => [
  { record: 'database:qps', expr: `sum by (host) (rate(mysql_global_status_questions[${window}]))` },
  { record: 'database:reads', expr: commands('select', window) },
  {
    record: 'database:writes',
    expr: commands('insert|insert_select|update|update_multi|delete|delete_multi|replace|replace_select', window),
  },
  {
    record: 'database:saturation',
    expr: 'max by (host) (mysql_global_status_threads_connected / mysql_global_variables_max_connections)',
  },
]

/** Who holds no data, and has a voice. */
const ARBITRATOR = 'node_systemd_unit_state{name="garb.service",state="active"}'

const host = 'web-01'
const every = '1m'

/** Of a database that exposes itself to monitoring; of backups by what whoever makes them writes down. */
export const databaseAlerts = ({ limits }: Numbers): readonly Alert[] => [
  {
    alert: 'MysqlDown',
    expr: 'mysql_up == 0',
    for: 10,
    keep: KEEP,
    severity: 'critical',
    summary: 'the database on {{ $labels.host }} is down',
    cases: [
      {
        series: { 'mysql_up{job="mysql",host="web-01"}': '1x4 0x20' },
        quiet: '40s',
        at: '70s',
        labels: { job: 'mysql', host },
        says: 'the database on web-01 is down',
      },
    ],
  },
  {
    alert: 'ReplicaStopped',
    expr: 'max by (host) (mysql_slave_status_slave_sql_running == 0 or mysql_slave_status_slave_io_running == 0) == 0',
    for: 40,
    severity: 'critical',
    summary: 'the database on {{ $labels.host }} does not follow its primary any more',
    cases: [
      {
        series: { 'mysql_slave_status_slave_sql_running{host="web-01"}': '1x4 0x20' },
        quiet: '70s',
        at: '100s',
        labels: { host },
        says: 'the database on web-01 does not follow its primary any more',
      },
    ],
  },
  {
    alert: 'ReplicaLags',
    expr: `max by (host) (mysql_slave_status_seconds_behind_master) > ${limits.replica_lag_seconds}`,
    for: 60,
    severity: 'warning',
    summary: 'the database on {{ $labels.host }} is {{ $value | humanizeDuration }} behind its primary',
    cases: [
      {
        series: { 'mysql_slave_status_seconds_behind_master{host="web-01"}': '0x4 300x20' },
        quiet: '90s',
        at: '120s',
        labels: { host },
        says: 'the database on web-01 is 5m 0s behind its primary',
      },
    ],
  },
  {
    alert: 'WritersWrong',
    expr: '(count(mysql_global_variables_read_only == 0) or count(mysql_global_variables_read_only) * 0) != 1 and on () count(mysql_up) > 1 unless on () count(mysql_global_status_wsrep_cluster_size > 0) > 0',
    for: 40,
    severity: 'critical',
    summary: '{{ $value }} databases take writes, and it shall be one',
    cases: [
      {
        series: {
          'mysql_up{host="web-01"}': '1x30',
          'mysql_up{host="web-02"}': '1x30',
          'mysql_global_variables_read_only{host="web-01"}': '0x30',
          'mysql_global_variables_read_only{host="web-02"}': '1x4 0x26',
        },
        quiet: '70s',
        at: '100s',
        says: '2 databases take writes, and it shall be one',
      },
      {
        series: {
          'mysql_up{host="web-01"}': '1x30',
          'mysql_up{host="web-02"}': '1x30',
          'mysql_global_variables_read_only{host="web-01"}': '0x4 1x26',
          'mysql_global_variables_read_only{host="web-02"}': '1x30',
        },
        quiet: '70s',
        at: '100s',
        says: '0 databases take writes, and it shall be one',
      },
    ],
  },
  {
    alert: 'GaleraNotReady',
    expr: 'mysql_global_status_wsrep_ready == 0 and mysql_global_status_wsrep_cluster_size > 0',
    for: 20,
    severity: 'critical',
    summary: 'the database on {{ $labels.host }} has lost its cluster and refuses queries',
    cases: [
      {
        series: {
          'mysql_global_status_wsrep_ready{host="web-01"}': '1x4 0x20',
          'mysql_global_status_wsrep_cluster_size{host="web-01"}': '2x30',
        },
        quiet: '50s',
        at: '80s',
        labels: { host },
        says: 'the database on web-01 has lost its cluster and refuses queries',
      },
    ],
  },
  {
    alert: 'GaleraDegraded',
    // Whoever is known to be down has an alert of its own.
    expr: `min(mysql_global_status_wsrep_cluster_size > 0) < count(up{job="mysql"}) + (count(${ARBITRATOR}) or vector(0)) unless on () (mysql_up == 0 or ${ARBITRATOR} == 0 or up{job="node"} == 0)`,
    for: 60,
    severity: 'warning',
    summary: 'the database cluster has {{ $value }} members: it cannot lose another one',
    cases: [
      {
        series: {
          'mysql_global_status_wsrep_cluster_size{host="web-01"}': '3x4 2x20',
          'up{job="mysql",host="web-01"}': '1x30',
          'up{job="mysql",host="web-02"}': '1x30',
          'mysql_up{job="mysql",host="web-02"}': '1x30',
          [`${ARBITRATOR.slice(0, -1)},host="lb-01"}`]: '1x30',
        },
        quiet: '90s',
        at: '120s',
        says: 'the database cluster has 2 members: it cannot lose another one',
      },
    ],
  },
  {
    alert: 'ArbitratorDown',
    expr: `${ARBITRATOR} == 0`,
    for: 20,
    keep: KEEP,
    severity: 'warning',
    summary: 'the arbitrator of the database on {{ $labels.host }} is down: the cluster cannot lose a server',
    cases: [
      {
        series: { [`${ARBITRATOR.slice(0, -1)},host="lb-01"}`]: '1x4 0x20' },
        quiet: '50s',
        at: '80s',
        labels: { name: 'garb.service', state: 'active', host: 'lb-01' },
        says: 'the arbitrator of the database on lb-01 is down: the cluster cannot lose a server',
      },
    ],
  },
  {
    alert: 'DatabaseConnections',
    expr: 'database:saturation > 0.8',
    for: 60,
    severity: 'warning',
    summary: 'the database on {{ $labels.host }} has {{ $value | humanizePercentage }} of the connections that it can have',
    cases: [
      {
        series: {
          'mysql_global_status_threads_connected{host="web-01"}': '90x30',
          'mysql_global_variables_max_connections{host="web-01"}': '100x30',
        },
        quiet: '30s',
        at: '90s',
        labels: { host },
        says: 'the database on web-01 has 90% of the connections that it can have',
      },
    ],
  },
  {
    alert: 'BackupTooOld',
    expr: `time() - provision_backup_done_seconds > ${limits.backup_hours * 3600}`,
    for: 60,
    severity: 'critical',
    summary: 'the last good backup of {{ $labels.host }} is {{ $value | humanizeDuration }} old',
    cases: [
      {
        every,
        series: { 'provision_backup_done_seconds{host="web-01"}': '-360000x20' },
        at: '10m',
        labels: { host },
        says: 'the last good backup of web-01 is 4d 4h 10m 0s old',
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
        series: { 'provision_restore_test_ok{host="web-01"}': '0x30' },
        quiet: '10s',
        at: '60s',
        labels: { host },
        says: 'the last backup of web-01 is no good one: it was not made, not kept, or did not come back as it was saved',
      },
    ],
  },
]
