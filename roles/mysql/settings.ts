import type { z } from 'provision'

interface Fault {
  readonly message: string
  readonly fix: string
}

/** Settings with an option of this role. */
const OPTIONS: Readonly<Record<string, readonly string[]>> = {
  binlog_days: ['binlog_expire_logs_seconds', 'expire_logs_days'],
  buffer_pool: ['innodb_buffer_pool_size'],
  cluster: ['wsrep_cluster_name'],
  connections: ['max_connections'],
  durable: ['innodb_flush_log_at_trx_commit', 'sync_binlog'],
  provider_options: ['wsrep_provider_options'],
  primary: ['read_only', 'super_read_only', 'innodb_read_only'],
  semi_sync: [
    'rpl_semi_sync_master_enabled',
    'rpl_semi_sync_master_timeout',
    'rpl_semi_sync_master_wait_no_slave',
    'rpl_semi_sync_master_wait_point',
    'rpl_semi_sync_slave_enabled',
  ],
  servers: ['wsrep_cluster_address'],
  slow_query_seconds: [
    'log_slow_query',
    'log_slow_query_file',
    'log_slow_query_time',
    'long_query_time',
    'slow_query_log',
    'slow_query_log_file',
  ],
}

/** Settings that the guarantees of this role depend on, by reason. */
const KEPT: Readonly<Record<string, readonly string[]>> = {
  'is set by this role for its units, backups and checks': [
    'basedir',
    'bind_address',
    'datadir',
    'pid_file',
    'plugin_wsrep_provider',
    'port',
    'server_id',
    'socket',
    'symbolic_links',
    'user',
    'wsrep_data_home_dir',
    'wsrep_new_cluster',
    'wsrep_node_address',
    'wsrep_node_incoming_address',
    'wsrep_node_name',
    'wsrep_on',
    'wsrep_provider',
    'wsrep_recover',
    'wsrep_sst_auth',
    'wsrep_sst_method',
    'wsrep_sst_receive_address',
    'wsrep_start_position',
  ],
  'is set by this role, because all connections between hosts are encrypted and verified': [
    'require_secure_transport',
    'ssl',
    'ssl_ca',
    'ssl_capath',
    'ssl_cert',
    'ssl_key',
    'tls_version',
  ],
  'is set by this role, because replication depends on it': [
    'binlog_format',
    'default_storage_engine',
    'gtid_binlog_state',
    'gtid_domain_id',
    'gtid_ignore_duplicates',
    'gtid_slave_pos',
    'gtid_strict_mode',
    'innodb_autoinc_lock_mode',
    'log_bin',
    'log_bin_index',
    'log_slave_updates',
    'master_info_file',
    'relay_log',
    'relay_log_index',
    'relay_log_info_file',
    'relay_log_recovery',
    'skip_slave_start',
    'slave_net_timeout',
    'storage_engine',
    'wsrep_gtid_domain_id',
    'wsrep_gtid_mode',
  ],
  'could make the rows of the servers differ': [
    'binlog_do_db',
    'binlog_ignore_db',
    'replicate_do_db',
    'replicate_do_table',
    'replicate_ignore_db',
    'replicate_ignore_table',
    'replicate_rewrite_db',
    'replicate_wild_do_table',
    'replicate_wild_ignore_table',
    'slave_exec_mode',
    'slave_skip_errors',
    'wsrep_certify_nonpk',
    'wsrep_desync',
    'wsrep_ignore_apply_errors',
    'wsrep_osu_method',
    'wsrep_reject_queries',
  ],
  'would admit clients without their password, or none at all': ['skip_grant_tables', 'skip_networking'],
  'is off in this role: with it, a server can request files that its client can read': ['local_infile'],
  'is on in this role: names of clients come from resolvers that others control': ['skip_name_resolve'],
}

const faults = new Map<string, Fault>([
  ...Object.entries(OPTIONS).flatMap(([option, names]) =>
    names.map((name): [string, Fault] => [
      name,
      { message: `is set by this role, by its option \`${option}\``, fix: `set \`${option}\` instead` },
    ]),
  ),
  ...Object.entries(KEPT).flatMap(([message, names]) => names.map((name): [string, Fault] => [name, { message, fix: 'remove it' }])),
])

/** Prefixes that the server accepts before the name of a setting: `loose_skip_ssl` changes `ssl`. */
const PREFIX = /^(loose|skip|enable|disable|maximum)_/

/** Why a setting is refused: it is one of this role, with a prefix of the server, or abbreviated, which the server understands. */
const faultOf = (name: string): Fault | undefined => {
  const found = faults.get(name)
  if (found !== undefined) return found
  if (PREFIX.test(name)) return faultOf(name.replace(PREFIX, ''))
  const full = [...faults.keys()].find((one) => one.startsWith(name))
  if (full === undefined) return undefined
  return {
    message: `is read by the server as ${full}, which ${faults.get(full)?.message}`,
    fix: 'remove it, or write the complete name of another setting',
  }
}

/** For `superRefine` of the name of a setting. */
export const refuseOurSetting = (name: string, context: z.RefinementCtx): void => {
  const fault = faultOf(name)
  if (fault !== undefined) context.addIssue({ code: 'custom', message: fault.message, params: { fix: fault.fix } })
}
