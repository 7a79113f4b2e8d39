import { PERCENT, SECONDS } from './format.ts'
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

/** Databases that accept writes. */
const WRITERS = 'mysql_global_variables_read_only == 0'

/** A state of replication that is 0. The exporter names it as MariaDB does, or as MySQL does. */
const eachName = (state: string): string => `mysql_slave_status_slave_${state} == 0 or mysql_slave_status_replica_${state} == 0`

/** State of the arbitrator, a cluster member that votes and holds no data. */
const ARBITRATOR = 'node_systemd_unit_state{name="garb.service",state="active"}'

/** Alerts about databases that a role exposes to monitoring. */
export const databaseAlerts = ({ limits, members }: Numbers): readonly Alert[] => [
  {
    alert: 'MysqlDown',
    expr: 'mysql_up == 0',
    for: 10,
    keep: KEEP,
    severity: 'critical',
    summary: 'the database on {{ $labels.host }} is down',
  },
  {
    alert: 'PostgresqlDown',
    expr: 'pg_up == 0',
    for: 10,
    keep: KEEP,
    severity: 'critical',
    summary: 'PostgreSQL on {{ $labels.host }} is down',
  },
  {
    alert: 'PostgresqlReplicaStopped',
    expr: 'max by (host, slot_name) (pg_replication_slots_active{slot_name=~"provision_.+"}) == 0',
    for: 75,
    severity: 'critical',
    summary: 'no replica uses the slot {{ $labels.slot_name }} of PostgreSQL on {{ $labels.host }}',
  },
  {
    alert: 'ReplicaStopped',
    // While no database accepts writes there is no primary to replicate from, and other alerts name the cause.
    expr: `max by (host) (${eachName('sql_running')} or (${eachName('io_running')}) and on () count(${WRITERS}) > 0) == 0`,
    for: 75,
    severity: 'critical',
    summary: 'the database on {{ $labels.host }} no longer replicates from its primary',
  },
  {
    alert: 'ReplicaLags',
    expr: `max by (host) (mysql_slave_status_seconds_behind_master or mysql_slave_status_seconds_behind_source) > ${limits.replica_lag_seconds}`,
    for: 60,
    severity: 'warning',
    summary: `the database on {{ $labels.host }} is {{ $value | ${SECONDS} }} behind its primary`,
  },
  {
    alert: 'WritersWrong',
    // A database or host that is down explains missing writes, and has a separate alert.
    expr: `(count(${WRITERS}) > 1 or count(mysql_global_variables_read_only) * 0 unless on () (${WRITERS} or mysql_up == 0 or up{job="node"} == 0)) and on () count(mysql_up) > 1 unless on () mysql_global_status_wsrep_cluster_size > 0`,
    for: 40,
    severity: 'critical',
    summary: `{{ if eq $value 0.0 }}no database accepts writes, and exactly one must{{ else }}{{ $value }} databases accept writes, and exactly one must:{{ range query "${WRITERS}" | sortByLabel "host" }} {{ .Labels.host }}{{ end }}{{ end }}`,
  },
  {
    alert: 'GaleraNotReady',
    expr: 'mysql_global_status_wsrep_ready == 0 and mysql_global_status_wsrep_cluster_size > 0',
    for: 20,
    severity: 'critical',
    summary: 'the database on {{ $labels.host }} has lost its cluster and refuses queries',
  },
  {
    alert: 'GaleraDegraded',
    // A member that is known to be down or cut off has a separate alert.
    expr: `min(mysql_global_status_wsrep_cluster_size > 0) < ${members} unless on () (mysql_up == 0 or mysql_global_status_wsrep_ready == 0 or ${ARBITRATOR} == 0 or up{job="node"} == 0)`,
    for: 60,
    severity: 'warning',
    summary: `the database cluster has {{ $value }} of ${members} members{{ if le $value 2.0 }}: it cannot lose another member{{ end }}`,
  },
  {
    alert: 'ArbitratorDown',
    expr: `${ARBITRATOR} == 0`,
    for: 20,
    keep: KEEP,
    severity: 'warning',
    summary: 'the database arbitrator on {{ $labels.host }} is down: the cluster lacks its vote',
  },
  {
    alert: 'DatabaseConnections',
    expr: `database:saturation > ${limits.database_connections}`,
    for: 60,
    severity: 'warning',
    summary: `the database on {{ $labels.host }} uses {{ $value | ${PERCENT} }} of its connection limit`,
  },
]
