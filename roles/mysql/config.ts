import { bracketed, type Facts, type HostView, keepsDatabaseDirectory } from 'provision'
import { addressOf, ipAddresses } from './addresses.ts'
import type { Members, Options } from './options.ts'
import { providerWords } from './provider-options.ts'

/** Paths of the certificate and its authority on a database server. */
export const PKI = {
  directory: '/etc/mysql/provision',
  pair: '/etc/mysql/provision/host.pem',
  trusted: '/etc/mysql/provision/authority.pem',
}

export interface Server {
  readonly options: Options
  readonly members: Members
  readonly host: HostView
  readonly facts: Facts
}

/**
 * Content of mariadb.cnf. It includes no directory, so that files of packages have no effect, and only the file by which the package keeps
 * the data directory of an upgraded server. The data directory is the default of the package.
 */
export const serverConfig = (server: Server): string => {
  const { options, members, host, facts } = server
  return `# Written by provision.
[client-server]
socket = /run/mysqld/mysqld.sock

[mariadb-dump]
quick
max_allowed_packet = 64M

[mariadbd]
user = mysql
pid_file = /run/mysqld/mysqld.pid
bind_address = ${ipAddresses(host).join(',')}
skip_name_resolve = ON
local_infile = OFF
symbolic_links = OFF
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
binlog_format = ROW
log_slave_updates = ON
sync_binlog = ${options.durable ? 1 : 0}
binlog_expire_logs_seconds = ${options.binlog_days * 86_400}

slow_query_log = ON
slow_query_log_file = /var/log/mysql/mariadb-slow.log
long_query_time = ${options.slow_query_seconds}
${Object.entries(options.settings).map(settingLine).join('')}${members.topology === 'cluster' ? clusterConfig(server) : ''}${members.topology === 'replica' ? replicaConfig(options) : ''}${oneAddressConfig(server)}${members.topology === 'cluster' ? SST : ''}
!include ${keepsDatabaseDirectory}
`
}

/** MariaDB 10.6 binds to one address only. It reads this section, and no other version does. */
const oneAddressConfig = ({ members, host }: Server): string =>
  ipAddresses(host).length < 2
    ? ''
    : `
[mariadbd-10.6]
bind_address = ${addressOf(host, members)}
`

/** Values of this role that `settings` may replace. */
const DEFAULTS = {
  character_set_server: 'utf8mb4',
  collation_server: 'utf8mb4_unicode_ci',
  sql_mode: 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,ONLY_FULL_GROUP_BY',
}

/** A variable of `settings` in a configuration. */
export const settingLine = ([name, value]: readonly [string, Options['settings'][string]]): string =>
  `${name} = ${typeof value === 'boolean' ? (value ? 'ON' : 'OFF') : value}\n`

/** Values of this role that `settings` does not replace. The collation follows the character set if only that is set. */
export const valuesBeside = (values: Readonly<Record<string, string>>, settings: Options['settings']): string =>
  Object.entries(values)
    .filter(([name]) => !(name in settings) && !(name === 'collation_server' && 'character_set_server' in settings))
    .map(([name, value]) => `${name} = ${value}\n`)
    .join('')

/**
 * MariaDB 11.8 loads a plugin that turns each option of Galera into a variable. The server then refuses to set `wsrep_provider_options`, by
 * which runs and reloads bootstrap, evict and load certificates. `settings` could also turn off encryption. Older versions have no such plugin.
 */
const clusterConfig = ({ options, members, host }: Server): string => {
  const own = addressOf(host, members)
  const provider = [
    `gcache.size=${options.gcache_size}`,
    ...socketOptions(PKI),
    `gmcast.listen_addr=ssl://${own.includes(':') ? `[${own}]` : own}:4567`,
    ...providerWords(options.provider_options),
  ]
  return `
innodb_autoinc_lock_mode = 2
wsrep_on = ON
wsrep_provider = /usr/lib/galera/libgalera_smm.so
loose_plugin_wsrep_provider = OFF
wsrep_cluster_name = ${options.cluster}
wsrep_cluster_address = gcomm://${members.servers.map((server) => bracketed(addressOf(server, members))).join(',')}
wsrep_node_name = ${host.name}
wsrep_node_address = ${bracketed(own)}
wsrep_node_incoming_address = ${bracketed(own)}:3306
wsrep_provider_options = "${provider.join(';')}"
wsrep_sst_method = mariabackup
wsrep_sst_auth = mysql:
`
}

const SST = `
# Both sides are verified by the database authority, not by their addresses.
[sst]
encrypt = 4
tca = ${PKI.trusted}
tcert = ${PKI.pair}
tkey = ${PKI.pair}.key
`

/**
 * Every server starts read-only; a run or the opener unit enables writes. A server without a connected replica does not wait for one:
 * a replica itself has none, and would wait at each first transaction.
 */
const replicaConfig = ({ semi_sync }: Options): string => `
read_only = ON
gtid_strict_mode = ON
relay_log = relay-bin
relay_log_recovery = ON
slave_net_timeout = 10
# A former primary that lost transactions in a power cut accepts them back from its replicas; otherwise they would be skipped silently.
rpl_semi_sync_slave_enabled = ON
${
  semi_sync
    ? `rpl_semi_sync_master_enabled = ON
rpl_semi_sync_master_wait_point = AFTER_SYNC
rpl_semi_sync_master_timeout = 3000
rpl_semi_sync_master_wait_no_slave = OFF
`
    : ''
}`

/** Number of a server in replication: FNV-1a of its name, so that it stays the same when other servers are added or removed. */
export const serverId = (name: string): number =>
  1 + ([...name].reduce((hash, c) => Math.imul(hash ^ (c.codePointAt(0) ?? 0), 16_777_619) >>> 0, 2_166_136_261) % 4_294_967_294)

export const numberOf = ({ members: { topology, servers }, host: { name } }: Server): number =>
  topology === 'replica' ? serverId(name) : servers.findIndex((one) => one.name === name) + 1

/** Options of Galera for replication over TLS, in which both sides are verified by the authority. */
export const socketOptions = ({ pair, trusted }: { readonly pair: string; readonly trusted: string }): readonly string[] => [
  'socket.ssl=YES',
  `socket.ssl_ca=${trusted}`,
  `socket.ssl_cert=${pair}`,
  `socket.ssl_key=${pair}.key`,
]

export const bufferPool = ({ buffer_pool }: Options, { memoryMB }: Facts): string => {
  const part = /^(\d+)%$/.exec(buffer_pool)?.[1]
  return part === undefined ? buffer_pool : `${Math.max(64, Math.floor((memoryMB * Number(part)) / 100 / 64) * 64)}M`
}
