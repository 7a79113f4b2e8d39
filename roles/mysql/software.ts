import type { Resource, UnitSettings } from 'provision'
import { type Server, serverConfig } from './config.ts'
import { mysqlConfig, SUFFIX } from './config-mysql.ts'
import type { Flavour, Members } from './options.ts'
import { UPGRADE, upgradeScript } from './upgrade.ts'

/** A server software: what differs between MariaDB and MySQL on a host, by capability. */
interface Software {
  readonly product: string
  readonly unit: string
  readonly packages: (members: Members) => readonly string[]
  /** Name of the set of files that are checked together, and path of the configuration. */
  readonly set: string
  readonly config: string
  readonly content: (server: Server) => string
  /** Resources that upgrade the system tables. MySQL upgrades its own at each start. */
  readonly upgrade: readonly Resource[]
  /** Command that loads a renewed certificate, run by the account mysql. It must not write to the binary log. */
  readonly reload: (members: Members) => string
  readonly asserts: UnitSettings
  /** Commands before and after the start, in place of those of the package. */
  readonly startsBefore: (ours: readonly string[]) => UnitSettings
  readonly started: (members: Members) => UnitSettings
  /** Accounts of the database for system accounts of the host, and their privileges on the whole server. */
  readonly accounts: readonly { readonly user: string; readonly privileges: readonly string[] }[]
  /** Grants of the health account, without which it does not see whether a server replicates. */
  readonly seesReplication: readonly { readonly on: string; readonly privileges: string[] }[]
  /** Privileges of the account that makes backups. */
  readonly readsAll: readonly string[]
}

const client = (program: string, sql: string): string =>
  `/usr/bin/${program} --no-defaults --socket=/run/mysqld/mysqld.sock --local-infile=0 --connect-timeout=10 -e "${sql}"`

const SOFTWARE: Readonly<Record<Flavour, Software>> = {
  mariadb: {
    product: 'MariaDB',
    unit: 'mariadb.service',
    packages: ({ topology }) => [
      'mariadb-server',
      'mariadb-backup',
      'openssl',
      ...(topology === 'cluster' ? ['galera-4'] : []),
      ...(topology === 'single' ? [] : ['socat']),
    ],
    set: 'mariadb',
    config: '/etc/mysql/mariadb.cnf',
    content: serverConfig,
    upgrade: [upgradeScript()],
    // LOCAL keeps the statement out of the binary log: on a replica it would be a transaction that the primary does not have.
    reload: ({ topology }) =>
      client(
        'mariadb',
        `SET lock_wait_timeout=10; FLUSH LOCAL SSL${topology === 'cluster' ? `; SET GLOBAL wsrep_provider_options='socket.ssl_reload=1'` : ''}`,
      ),
    asserts: {},
    startsBefore: (ours) => (ours.length === 0 ? {} : { ExecStartPre: [...ours] }),
    // The empty entry removes Debian's. The file that bootstraps a cluster must be gone at the next start.
    started: ({ topology }) => ({
      ExecStartPost: ['', ...(topology === 'cluster' ? ['+/bin/rm -f /run/mariadb-wsrep-new-cluster'] : []), UPGRADE],
    }),
    accounts: [{ user: 'prometheus', privileges: ['PROCESS', 'SLAVE MONITOR'] }],
    seesReplication: [],
    // The last two are for the position of a dump in the binary log, and for a later moment.
    readsAll: ['SELECT', 'SHOW VIEW', 'TRIGGER', 'EVENT', 'LOCK TABLES', 'RELOAD', 'PROCESS', 'BINLOG MONITOR', 'REPLICATION SLAVE'],
  },
  mysql: {
    product: 'MySQL',
    unit: 'mysql.service',
    packages: () => ['mysql-server', 'openssl'],
    set: 'mysql',
    config: '/etc/mysql/mysql.cnf',
    content: mysqlConfig,
    upgrade: [],
    reload: () => client('mysql', 'ALTER INSTANCE RELOAD TLS'),
    // Written by the package after a downgrade, with the reason.
    asserts: { AssertPathExists: '!/etc/mysql/FROZEN' },
    // The script of the package starts the server as root to check the configuration, which the run has checked as the account mysql.
    startsBefore: (ours) => ({ ExecStartPre: ['', ...ours] }),
    started: () => ({ Environment: `MYSQL_GROUP_SUFFIX=${SUFFIX}` }),
    accounts: [
      { user: 'prometheus', privileges: ['PROCESS', 'REPLICATION CLIENT'] },
      // For the units of the server, which load renewed certificates, and enable writes on a primary.
      { user: 'mysql', privileges: ['CONNECTION_ADMIN', 'REPLICATION CLIENT', 'SYSTEM_VARIABLES_ADMIN'] },
    ],
    seesReplication: [{ on: 'performance_schema.replication_connection_status', privileges: ['SELECT'] }],
    // A routine of another account is dumped only with SHOW_ROUTINE.
    readsAll: ['SELECT', 'SHOW VIEW', 'TRIGGER', 'EVENT', 'LOCK TABLES', 'RELOAD', 'PROCESS', 'SHOW_ROUTINE'],
  },
}

export const softwareOf = (flavour: Flavour): Software => SOFTWARE[flavour]
