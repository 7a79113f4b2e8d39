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

/** Databases that take writes. */
const WRITERS = 'mysql_global_variables_read_only == 0'

const WRITES_1 = 'mysql_global_variables_read_only{host="web-01"}'
const WRITES_2 = 'mysql_global_variables_read_only{host="web-02"}'
const REPLICA = 'host="web-02",connection_name="",master_host="10.0.0.12"'
const both = { 'mysql_up{host="web-01"}': '1x40', 'mysql_up{host="web-02"}': '1x40' }
const following = {
  [`mysql_slave_status_slave_sql_running{${REPLICA}}`]: '1x40',
  [`mysql_slave_status_slave_io_running{${REPLICA}}`]: '1x40',
}

/** Who holds no data, and has a voice. */
const ARBITRATOR = 'node_systemd_unit_state{name="garb.service",state="active"}'
const VOICE = `${ARBITRATOR.slice(0, -1)},host="lb-01"}`
const size = { 'mysql_global_status_wsrep_cluster_size{host="web-01"}': '3x4 2x36' }
const smaller = { ...size, [VOICE]: '1x40' }

const host = 'web-01'

/** Of a database that exposes itself to monitoring. */
export const databaseAlerts = ({ limits, members }: Numbers): readonly Alert[] => [
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
    // While nobody takes writes there is nobody to follow, and it is the primary that is told of; once it is back, replicas need their time.
    expr: `max by (host) (mysql_slave_status_slave_sql_running == 0 or mysql_slave_status_slave_io_running == 0 and on () count(${WRITERS}) > 0) == 0`,
    for: 75,
    severity: 'critical',
    summary: 'the database on {{ $labels.host }} does not follow its primary any more',
    cases: [
      ...['sql', 'io'].map((thread) => ({
        series: {
          ...following,
          [`mysql_slave_status_slave_${thread}_running{${REPLICA}}`]: '1x4 0x30',
          [WRITES_1]: '0x40',
          [WRITES_2]: '1x40',
        },
        quiet: '100s',
        at: '140s',
        labels: { host: 'web-02' },
        says: 'the database on web-02 does not follow its primary any more',
      })),
      {
        series: {
          ...following,
          [`mysql_slave_status_slave_io_running{${REPLICA}}`]: '1x4 0x30',
          [WRITES_1]: '0x4 stale',
          [WRITES_2]: '1x40',
        },
        quiet: '140s',
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
    // That nobody takes writes follows from a database that is down, and that one is told.
    expr: `(count(${WRITERS}) > 1 or count(mysql_global_variables_read_only) * 0 unless on () (${WRITERS} or mysql_up == 0 or up{job="node"} == 0)) and on () count(mysql_up) > 1 unless on () mysql_global_status_wsrep_cluster_size > 0`,
    for: 40,
    severity: 'critical',
    summary: `{{ if eq $value 0.0 }}no database takes writes, and one shall{{ else }}{{ $value }} databases take writes, and one shall:{{ range query "${WRITERS}" | sortByLabel "host" }} {{ .Labels.host }}{{ end }}{{ end }}`,
    cases: [
      {
        series: { ...both, [WRITES_1]: '0x30', [WRITES_2]: '1x4 0x26' },
        quiet: '70s',
        at: '100s',
        says: '2 databases take writes, and one shall: web-01 web-02',
      },
      {
        series: { ...both, [WRITES_1]: '0x4 1x26', [WRITES_2]: '1x30' },
        quiet: '70s',
        at: '100s',
        says: 'no database takes writes, and one shall',
      },
      { series: { ...both, 'mysql_up{host="web-01"}': '1x4 0x30', [WRITES_1]: '0x4 stale', [WRITES_2]: '1x40' }, quiet: '120s' },
      {
        series: { ...both, [WRITES_1]: '0x40', [WRITES_2]: '0x40', 'mysql_global_status_wsrep_cluster_size{host="web-01"}': '2x40' },
        quiet: '120s',
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
    // Whoever is known to be down, or to be cut off, has an alert of its own.
    expr: `min(mysql_global_status_wsrep_cluster_size > 0) < ${members} unless on () (mysql_up == 0 or mysql_global_status_wsrep_ready == 0 or ${ARBITRATOR} == 0 or up{job="node"} == 0)`,
    for: 60,
    severity: 'warning',
    summary: `the database cluster has {{ $value }} of ${members} members: it cannot lose another one`,
    cases: [
      // A service that is masked, or whose package is gone, is measured no more.
      ...[smaller, size].map((series) => ({
        series,
        quiet: '90s',
        at: '120s',
        says: 'the database cluster has 2 of 3 members: it cannot lose another one',
      })),
      { series: { ...smaller, 'mysql_up{job="mysql",host="web-02"}': '1x4 0x30' }, quiet: '120s' },
      { series: { ...smaller, 'mysql_global_status_wsrep_ready{host="web-02"}': '1x4 0x30' }, quiet: '120s' },
      { series: { ...smaller, [VOICE]: '1x4 0x30' }, quiet: '120s' },
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
        series: { [VOICE]: '1x4 0x20' },
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
]
