import { DIALECTS, type Flavour } from '../database/flavour.ts'
import { sqlText } from '../database/mariadb.ts'

/** Prefix of the accounts of replicas. */
export const FOLLOWER = 'provision-replica-'

/** A source to replicate from, over mutual TLS. */
export interface SourceSettings {
  readonly address: string
  readonly user: string
  readonly trusted: string
  readonly pair: string
}

/** Replication in the SQL of a flavour. */
export interface ReplicationSql {
  /** Rows `self` and `follower`, and the state of the source, with column names. */
  readonly status: string
  /** Names of the columns about the source. The first column of its row tells where they are. */
  readonly columns: Readonly<Record<'first' | 'address' | 'receives' | 'applies' | 'verifies' | 'received', string>>
  /** Column and value of a source that is followed by GTID. */
  readonly byPosition: readonly [column: string, value: string]
  /** A statement for people, which shows the state of the source. */
  readonly show: string
  readonly stopReceiving: string
  readonly end: string
  readonly isReadOnly: string
  readonly readOnly: string
  readonly writable: string
  /** Waits for a position for so many seconds; 0 if the server has it. */
  readonly wait: (position: string, seconds: number) => string
  /** Starts replication at the position of the own data; `fresh`: at the beginning. */
  readonly follow: (source: SourceSettings, fresh: boolean) => string
  /** Privileges of the accounts of replicas, sorted. */
  readonly privileges: string
  /** Names of the accounts of replicas, as rows. */
  readonly accounts: string
  /** Deletes accounts (quoted) and ends their connections. */
  readonly drop: (account: string) => string
  /** Ends the connections of accounts that are gone: a query whose answer is the SQL for it. Undefined if `drop` did. */
  readonly kills: string | undefined
}

const accountsOf = (flavour: Flavour): string => `SELECT User FROM ${DIALECTS[flavour].accounts.table} WHERE User LIKE '${FOLLOWER}%';`

const followersSql = (table: string, subject: string): string => `SELECT 'follower' AS h, g.User AS u, ${subject} AS s,
 (SELECT GROUP_CONCAT(p.PRIVILEGE_TYPE ORDER BY p.PRIVILEGE_TYPE) FROM information_schema.USER_PRIVILEGES p WHERE p.GRANTEE = CONCAT("'", g.User, "'@'", g.Host, "'")) AS p
 FROM ${table} g WHERE g.User LIKE '${FOLLOWER}%';`

const MARIADB: ReplicationSql = {
  status: `SELECT 'self' AS h, @@read_only AS writable, @@gtid_current_pos AS position;
${followersSql('mysql.global_priv', "COALESCE(JSON_VALUE(g.Priv, '$.x509_subject'), '')")}
SHOW SLAVE STATUS;`,
  columns: {
    ...{ first: 'Slave_IO_State', address: 'Master_Host', receives: 'Slave_IO_Running', applies: 'Slave_SQL_Running' },
    ...{ verifies: 'Master_SSL_Verify_Server_Cert', received: 'Gtid_IO_Pos' },
  },
  byPosition: ['Using_Gtid', 'Slave_Pos'],
  show: "sudo mariadb -E -e 'SHOW SLAVE STATUS'",
  stopReceiving: 'STOP SLAVE IO_THREAD;',
  end: 'STOP SLAVE; RESET SLAVE ALL;',
  isReadOnly: 'SELECT @@read_only',
  readOnly: 'SET GLOBAL read_only = ON;',
  writable: 'SET GLOBAL read_only = OFF;',
  wait: (position, seconds) => `SELECT MASTER_GTID_WAIT(${sqlText(position)}, ${seconds})`,
  follow: (
    source,
    fresh,
  ) => `STOP SLAVE; ${fresh ? "RESET MASTER; SET GLOBAL gtid_slave_pos = '';" : 'SET GLOBAL gtid_slave_pos = @@gtid_current_pos;'}
CHANGE MASTER TO MASTER_HOST = ${sqlText(source.address)}, MASTER_PORT = 3306, MASTER_USER = ${sqlText(source.user)},
 MASTER_PASSWORD = '', MASTER_CONNECT_RETRY = 5, MASTER_USE_GTID = slave_pos, MASTER_SSL = 1, MASTER_SSL_CA = ${sqlText(source.trusted)},
 MASTER_SSL_CERT = ${sqlText(source.pair)}, MASTER_SSL_KEY = ${sqlText(`${source.pair}.key`)}, MASTER_SSL_VERIFY_SERVER_CERT = 1;
START SLAVE;`,
  privileges: 'REPLICATION SLAVE,SLAVE MONITOR',
  accounts: accountsOf('mariadb'),
  drop: (account) => `DROP USER IF EXISTS ${account}; KILL CONNECTION USER ${account};`,
  kills: undefined,
}

const MYSQL: ReplicationSql = {
  status: `SELECT 'self' AS h, @@super_read_only AS writable, REPLACE(@@gtid_executed, '\\n', '') AS position;
${followersSql('mysql.user', 'g.x509_subject')}
SHOW REPLICA STATUS;`,
  columns: {
    ...{ first: 'Replica_IO_State', address: 'Source_Host', receives: 'Replica_IO_Running', applies: 'Replica_SQL_Running' },
    ...{ verifies: 'Source_SSL_Verify_Server_Cert', received: 'Retrieved_Gtid_Set' },
  },
  byPosition: ['Auto_Position', '1'],
  show: "sudo mysql -E -e 'SHOW REPLICA STATUS'",
  stopReceiving: 'STOP REPLICA IO_THREAD;',
  end: 'STOP REPLICA; RESET REPLICA ALL;',
  isReadOnly: 'SELECT @@super_read_only',
  // Otherwise accounts with all privileges, such as root, could still write.
  readOnly: 'SET GLOBAL super_read_only = ON;',
  writable: 'SET GLOBAL read_only = OFF;',
  wait: (position, seconds) => `SELECT WAIT_FOR_EXECUTED_GTID_SET(${sqlText(position)}, ${seconds})`,
  // Without a limit of its attempts: the default gives up after ten.
  follow: (source, fresh) => `STOP REPLICA; ${fresh ? 'RESET BINARY LOGS AND GTIDS;' : ''}
CHANGE REPLICATION SOURCE TO SOURCE_HOST = ${sqlText(source.address)}, SOURCE_PORT = 3306, SOURCE_USER = ${sqlText(source.user)},
 SOURCE_PASSWORD = '', SOURCE_CONNECT_RETRY = 5, SOURCE_RETRY_COUNT = 0, SOURCE_AUTO_POSITION = 1, SOURCE_SSL = 1, SOURCE_SSL_CA = ${sqlText(source.trusted)},
 SOURCE_SSL_CERT = ${sqlText(source.pair)}, SOURCE_SSL_KEY = ${sqlText(`${source.pair}.key`)}, SOURCE_SSL_VERIFY_SERVER_CERT = 1;
START REPLICA;`,
  // BACKUP_ADMIN: a replica without data clones the server.
  privileges: 'BACKUP_ADMIN,REPLICATION CLIENT,REPLICATION SLAVE',
  accounts: accountsOf('mysql'),
  drop: (account) => `DROP USER IF EXISTS ${account};`,
  kills: `SELECT CONCAT('KILL ', p.ID, ';') FROM information_schema.PROCESSLIST p WHERE p.USER LIKE '${FOLLOWER}%' AND p.USER NOT IN (SELECT CONVERT(u.User USING utf8mb3) FROM mysql.user u)`,
}

export const REPLICATION_SQL: Readonly<Record<Flavour, ReplicationSql>> = { mariadb: MARIADB, mysql: MYSQL }
