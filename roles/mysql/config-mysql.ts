import { ipAddresses } from './addresses.ts'
import { bufferPool, numberOf, PKI, type Server, settingLine, valuesBeside } from './config.ts'
import type { Options } from './options.ts'

/** Values of this role that `settings` may replace. */
const DEFAULTS = {
  character_set_server: 'utf8mb4',
  collation_server: 'utf8mb4_0900_ai_ci',
  sql_mode: 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,ONLY_FULL_GROUP_BY',
}

/** Suffix of the section that only the unit reads (`MYSQL_GROUP_SUFFIX`). */
export const SUFFIX = '_provision'

/**
 * Content of mysql.cnf for MySQL 8.4. It includes no directory, so that files of packages have no effect. Without `log_error`, the server
 * writes to the journal. Transactions always have a GTID, so that a single server can become a primary. The scripts of the package start
 * servers of their own, which read only `mysqld`: without network, and without a binary log, in which their statements would be
 * transactions that no other server has.
 */
export const mysqlConfig = (server: Server): string => {
  const { options, members, host, facts } = server
  return `# Written by provision.
[client]
socket = /run/mysqld/mysqld.sock

[mysqldump]
quick
max_allowed_packet = 64M

[mysqld]
pid_file = /run/mysqld/mysqld.pid
socket = /run/mysqld/mysqld.sock
skip_networking = ON
skip_log_bin
mysqlx = OFF
skip_name_resolve = ON
local_infile = OFF
max_connections = ${options.connections}

ssl_ca = ${PKI.trusted}
ssl_cert = ${PKI.pair}
ssl_key = ${PKI.pair}.key
tls_version = TLSv1.2,TLSv1.3
require_secure_transport = ON

${valuesBeside(DEFAULTS, options.settings)}default_storage_engine = InnoDB
innodb_buffer_pool_size = ${bufferPool(options, facts)}
innodb_flush_log_at_trx_commit = ${options.durable ? 1 : 2}

server_id = ${numberOf(server)}
gtid_mode = ON
enforce_gtid_consistency = ON
sync_binlog = ${options.durable ? 1 : 0}
binlog_expire_logs_seconds = ${options.binlog_days * 86_400}

slow_query_log = ON
slow_query_log_file = /var/log/mysql/mysql-slow.log
long_query_time = ${options.slow_query_seconds}
${Object.entries(options.settings).map(settingLine).join('')}${members.topology === 'replica' ? replicaConfig(options) : ''}
[mysqld${SUFFIX}]
skip_networking = OFF
bind_address = ${ipAddresses(host).join(',')}
log_bin = mysql-bin
`
}

/**
 * Every server starts read-only; a run or the opener unit enables writes. The trial start of a configuration loads no plugins, and would
 * not know their variables (`loose`).
 */
const replicaConfig = ({ semi_sync }: Options): string => `
super_read_only = ON
relay_log = relay-bin
relay_log_recovery = ON
replica_net_timeout = 10
plugin_load_add = mysql_clone.so
plugin_load_add = semisync_source.so
plugin_load_add = semisync_replica.so
loose_rpl_semi_sync_replica_enabled = ON
${
  semi_sync
    ? `loose_rpl_semi_sync_source_enabled = ON
loose_rpl_semi_sync_source_wait_point = AFTER_SYNC
loose_rpl_semi_sync_source_timeout = 3000
loose_rpl_semi_sync_source_wait_no_replica = OFF
`
    : ''
}`
