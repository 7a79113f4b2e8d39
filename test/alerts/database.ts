import { type AlertCases, outage } from './case.ts'

const host = 'web-01'
const READ_ONLY_1 = 'mysql_global_variables_read_only{host="web-01"}'
const READ_ONLY_2 = 'mysql_global_variables_read_only{host="web-02"}'
const REPLICA = 'host="web-02",connection_name="",master_host="10.0.0.12"'
const both = { 'mysql_up{host="web-01"}': '1x40', 'mysql_up{host="web-02"}': '1x40' }
const replicating = {
  [`mysql_slave_status_slave_sql_running{${REPLICA}}`]: '1x40',
  [`mysql_slave_status_slave_io_running{${REPLICA}}`]: '1x40',
}
const ARBITRATOR = 'node_systemd_unit_state{name="garb.service",state="active",host="lb-01"}'
const shrinking = { 'mysql_global_status_wsrep_cluster_size{host="web-01"}': '3x4 2x36' }
const shrinkingWithArbitrator = { ...shrinking, [ARBITRATOR]: '1x40' }

export const databaseCases: AlertCases = {
  MysqlDown: [outage('mysql_up{job="mysql",host="web-01"}', 10, { job: 'mysql', host }, 'the database on web-01 is down')],
  PostgresqlDown: [outage('pg_up{job="postgresql",host="web-01"}', 10, { job: 'postgresql', host }, 'PostgreSQL on web-01 is down')],
  PostgresqlReplicaStopped: [
    {
      series: { 'pg_replication_slots_active{host="web-01",slot_name="provision_web_02",server="a"}': '1x4 0x30' },
      silentAt: '120s',
      firingAt: '125s',
      labels: { host, slot_name: 'provision_web_02' },
      summary: 'no replica uses the slot provision_web_02 of PostgreSQL on web-01',
    },
    { series: { 'pg_replication_slots_active{host="web-01",slot_name="other"}': '1x4 0x30' }, silentAt: '180s' },
  ],
  ReplicaStopped: [
    ...['sql', 'io'].map((thread) => ({
      series: {
        ...replicating,
        [`mysql_slave_status_slave_${thread}_running{${REPLICA}}`]: '1x4 0x30',
        [READ_ONLY_1]: '0x40',
        [READ_ONLY_2]: '1x40',
      },
      silentAt: '120s',
      firingAt: '125s',
      labels: { host: 'web-02' },
      summary: 'the database on web-02 no longer replicates from its primary',
    })),
    {
      series: {
        ...replicating,
        [`mysql_slave_status_slave_io_running{${REPLICA}}`]: '1x4 0x30',
        [READ_ONLY_1]: '0x4 stale',
        [READ_ONLY_2]: '1x40',
      },
      silentAt: '140s',
    },
  ],
  ReplicaLags: [
    {
      series: { 'mysql_slave_status_seconds_behind_master{host="web-01"}': '30x4 31x20' },
      silentAt: '105s',
      firingAt: '110s',
      labels: { host },
      summary: 'the database on web-01 is 31 s behind its primary',
    },
  ],
  WritersWrong: [
    {
      series: { ...both, [READ_ONLY_1]: '0x30', [READ_ONLY_2]: '1x4 0x26' },
      silentAt: '85s',
      firingAt: '90s',
      summary: '2 databases accept writes, and exactly one must: web-01 web-02',
    },
    {
      series: { ...both, [READ_ONLY_1]: '0x4 1x26', [READ_ONLY_2]: '1x30' },
      silentAt: '85s',
      firingAt: '90s',
      summary: 'no database accepts writes, and exactly one must',
    },
    { series: { ...both, 'mysql_up{host="web-01"}': '1x4 0x30', [READ_ONLY_1]: '0x4 stale', [READ_ONLY_2]: '1x40' }, silentAt: '120s' },
    {
      series: { ...both, [READ_ONLY_1]: '0x40', [READ_ONLY_2]: '0x40', 'mysql_global_status_wsrep_cluster_size{host="web-01"}': '2x40' },
      silentAt: '120s',
    },
  ],
  GaleraNotReady: [
    {
      series: {
        'mysql_global_status_wsrep_ready{host="web-01"}': '1x4 0x20',
        'mysql_global_status_wsrep_cluster_size{host="web-01"}': '2x30',
      },
      silentAt: '65s',
      firingAt: '70s',
      labels: { host },
      summary: 'the database on web-01 has lost its cluster and refuses queries',
    },
  ],
  GaleraDegraded: [
    // A service that is masked or uninstalled has no series any more.
    ...[shrinkingWithArbitrator, shrinking].map((series) => ({
      series,
      silentAt: '105s',
      firingAt: '110s',
      summary: 'the database cluster has 2 of 3 members: it cannot lose another member',
    })),
    { series: { ...shrinkingWithArbitrator, 'mysql_up{job="mysql",host="web-02"}': '1x4 0x30' }, silentAt: '120s' },
    { series: { ...shrinkingWithArbitrator, 'mysql_global_status_wsrep_ready{host="web-02"}': '1x4 0x30' }, silentAt: '120s' },
    { series: { ...shrinkingWithArbitrator, [ARBITRATOR]: '1x4 0x30' }, silentAt: '120s' },
  ],
  ArbitratorDown: [
    outage(
      ARBITRATOR,
      20,
      { name: 'garb.service', state: 'active', host: 'lb-01' },
      'the database arbitrator on lb-01 is down: the cluster lacks its vote',
    ),
  ],
  DatabaseConnections: [
    {
      series: {
        'mysql_global_status_threads_connected{host="web-01"}': '90x30',
        'mysql_global_variables_max_connections{host="web-01"}': '100x30',
      },
      silentAt: '55s',
      firingAt: '60s',
      labels: { host },
      summary: 'the database on web-01 uses 90% of its connection limit',
    },
  ],
}
