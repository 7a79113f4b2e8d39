import { ipAddresses } from './addresses.ts'
import { bufferPool, numberOf, PKI, type Server, settingLine, valuesBeside } from './config.ts'

/** Values of this role that `settings` may replace. */
const DEFAULTS = {
  character_set_server: 'utf8mb4',
  collation_server: 'utf8mb4_0900_ai_ci',
  sql_mode: 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,ONLY_FULL_GROUP_BY',
}

/**
 * Content of mysql.cnf for MySQL 8.4. It includes no directory, so that files of packages have no effect. Without `log_error`, the server
 * writes to the journal. Transactions always have a GTID, so that a single server can become a primary.
 */
export const mysqlConfig = (server: Server): string => {
  const { options, host, facts } = server
  return `# Written by provision.
[client]
socket = /run/mysqld/mysqld.sock

[mysqldump]
quick
max_allowed_packet = 64M

[mysqld]
pid_file = /run/mysqld/mysqld.pid
socket = /run/mysqld/mysqld.sock
bind_address = ${ipAddresses(host).join(',')}
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
log_bin = mysql-bin
gtid_mode = ON
enforce_gtid_consistency = ON
sync_binlog = ${options.durable ? 1 : 0}
binlog_expire_logs_seconds = ${options.binlog_days * 86_400}

slow_query_log = ON
slow_query_log_file = /var/log/mysql/mysql-slow.log
long_query_time = ${options.slow_query_seconds}
${Object.entries(options.settings).map(settingLine).join('')}`
}
