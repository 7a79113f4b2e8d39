import type { z } from 'provision'

/** Settings that other options of this role set. */
const BY_OPTION: Readonly<Record<string, string>> = { max_connections: 'connections', shared_buffers: 'buffers' }

/** Settings that this role sets: files, connections, TLS, logs, replication. */
const OURS =
  /^(data_directory|config_file|hba_file|ident_file|external_pid_file|include(_dir|_if_exists)?|listen_addresses|port|unix_socket_.*|ssl|ssl_.*|password_encryption|cluster_name|allow_alter_system|log_destination|logging_collector|log_directory|log_filename|primary_.*|recovery_.*|hot_standby)$/

/** Refuses a setting that this role sets itself, and one that cannot work in the sandbox. */
export const refuseOurSetting = (name: string, context: z.RefinementCtx<string>): void => {
  const refuse = (message: string, fix: string): void => context.addIssue({ code: 'custom', message, params: { fix } })
  const option = BY_OPTION[name]
  if (option !== undefined) refuse(`must not have ${name}, which this role sets`, `use the option \`${option}\``)
  else if (OURS.test(name)) refuse(`must not have ${name}, which this role sets`, 'remove it')
  else if (name === 'jit') refuse('must not have jit: the sandbox permits no memory that is writable and executable', 'remove it')
}
