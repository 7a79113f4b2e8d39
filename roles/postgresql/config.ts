import type { Facts, HostView } from 'provision'
import { slotOf } from './members.ts'
import type { Options } from './options.ts'
import type { Software } from './release.ts'

const DIRECTORY = '/etc/provision-postgresql'
/** Files of this role. Root owns their directory: the package gives /etc/postgresql to the account postgres. */
export const PATHS = {
  directory: DIRECTORY,
  config: `${DIRECTORY}/postgresql.conf`,
  access: `${DIRECTORY}/pg_hba.conf`,
  ident: `${DIRECTORY}/pg_ident.conf`,
  pair: `${DIRECTORY}/server.pem`,
  trusted: `${DIRECTORY}/authority.pem`,
  sockets: '/run/postgresql',
} as const

export const PORT = 5432

const UNITS: Readonly<Record<string, string>> = { K: 'kB', M: 'MB', G: 'GB' }

/** A size in the words of the server. */
const sizeOf = (given: string, { memoryMB }: Pick<Facts, 'memoryMB'>): string =>
  given.endsWith('%')
    ? `${Math.max(1, Math.floor((memoryMB * Number.parseInt(given, 10)) / 100))}MB`
    : `${given.slice(0, -1)}${UNITS[given.slice(-1)]}`

export interface Server {
  readonly options: Options
  readonly host: HostView
  readonly facts: Pick<Facts, 'memoryMB'>
  readonly software: Software
  readonly servers: number
  /** On a replica: how it connects to its primary. */
  readonly connection: string | undefined
}

const lineOf = ([name, value]: readonly [string, string | number | boolean]): string =>
  `${name} = '${typeof value === 'boolean' ? (value ? 'on' : 'off') : value}'\n`

/** Content of the configuration. Settings of the user come last and win. */
export const serverConfig = ({ options: given, host, facts, software, servers, connection }: Server): string => {
  const settings: Readonly<Record<string, string | number | boolean>> = {
    data_directory: software.data,
    hba_file: PATHS.access,
    ident_file: PATHS.ident,
    cluster_name: software.cluster,
    listen_addresses: ['127.0.0.1', ...host.addresses].join(','),
    port: PORT,
    unix_socket_directories: PATHS.sockets,
    max_connections: given.connections,
    ssl: true,
    ssl_cert_file: PATHS.pair,
    ssl_key_file: `${PATHS.pair}.key`,
    ssl_ca_file: PATHS.trusted,
    ssl_min_protocol_version: 'TLSv1.2',
    password_encryption: 'scram-sha-256',
    ...(software.canRefuseAlterSystem && { allow_alter_system: false }),
    shared_buffers: sizeOf(given.buffers, facts),
    effective_cache_size: sizeOf('50%', facts),
    ...(servers > 1 && { max_slot_wal_keep_size: sizeOf(given.replica_log, facts) }),
    ...(connection !== undefined && {
      primary_conninfo: `${connection} application_name=${slotOf(host)}`,
      primary_slot_name: slotOf(host),
    }),
    // Code that is compiled while it runs needs memory that is writable and executable.
    jit: false,
    log_destination: 'stderr',
    log_line_prefix: '%q%u@%d ',
    timezone: 'UTC',
    log_timezone: 'UTC',
    lc_messages: 'C',
    ...given.settings,
  }
  return `# Written by provision.\n${Object.entries(settings).map(lineOf).join('')}`
}
