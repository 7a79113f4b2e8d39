import { z } from 'zod'
import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { HostRefusal } from '../kind/step.ts'
import { DEFINE_DATA, sqlName, sqlText } from './mariadb.ts'

/** Server software that speaks this protocol: MariaDB, or Oracle's MySQL 8.4. */
export const flavour = z.enum(['mariadb', 'mysql'])

export type Flavour = z.output<typeof flavour>

/** The name of an account, and the flavour of its server. */
export interface AccountName {
  readonly user: string
  readonly host: string
  readonly flavour: Flavour
}

/** What differs between the flavours, by capability. */
export interface Dialect {
  readonly product: string
  /** Whether it can be a member of a cluster (Galera). */
  readonly isCluster: boolean
  /** Program of the client, and name of the unit of the server. */
  readonly client: string
  /** Options of the client that the other one does not have. */
  readonly clientOptions: Script
  /** Session variable that limits the duration of a statement. */
  readonly statementLimit: (seconds: number) => string
  /** Sets `$data` to the data directory of this host. Builtins only. */
  readonly defineData: Script
  /** SQL that executes the text of a user variable. */
  readonly execute: (variable: string) => string
  /** SQL that fails with this message unless the condition holds. The shell function `failed` recognises the error. */
  readonly refuse: (isSame: string, message: string) => string
  /** SQL that changes an existing database if it differs. */
  readonly alterDatabase: (name: string, isAsDeclared: string, sql: string) => string
  /** Name of a collation, with its character set, in `COLLATION_CHARACTER_SET_APPLICABILITY`. */
  readonly collationName: string
  readonly accounts: AccountTable
}

/** Accounts in the tables of the server. */
interface AccountTable {
  readonly table: string
  /** Authentication plugin, or `several ways`. */
  readonly plugin: string
  /** Hash of the password, or account of the host. */
  readonly secret: string
  /** What a client must present: `NONE`, `SSL`, `X509`, or parts of a certificate (`subject /CN=shop`). */
  readonly requires: string
  /** Queries, updates and connections per hour, and connections at once; 0 without a limit. */
  readonly limits: string
  /** `0` or `false` unless locked. */
  readonly locked: string
  readonly isAccount: string
  /** Roles of accounts, with the columns User, Host and Role. */
  readonly roles: string
  /** A role of the observation in SQL. */
  readonly roleSql: (role: string) => string
  readonly passwordPlugin: string
  readonly socketPlugin: string
  /** Authentication of an account in `CREATE USER`. Without a hash: the system account of its name, through the socket. */
  readonly identified: (hash: string | undefined) => string
  /** SQL after a change of an account with a password. */
  readonly afterPassword: (account: string) => string
  /** Whether the account of the host behind a socket account is compared; the server could accept another one. */
  readonly comparesSocket: boolean
}

/** A field of the account in MariaDB. */
const field = (name: string, otherwise: string): string => `COALESCE(JSON_VALUE(Priv, '$.${name}'), ${otherwise})`

/** `requires`, from the columns or fields of an account. */
const requiresSql = (types: readonly [column: string, none: string, any: string, x509: string], of: (name: string) => string): string => {
  const [column, none, any, x509] = types
  const parts = ['issuer', 'subject', 'cipher'].map((part) => {
    const value = of(part === 'cipher' ? 'ssl_cipher' : `x509_${part}`)
    return `IF(${value} = '', NULL, CONCAT('${part} ', ${value}))`
  })
  return `CASE ${column} WHEN ${none} THEN 'NONE' WHEN ${any} THEN 'SSL' WHEN ${x509} THEN 'X509' ELSE CONCAT_WS(', ', ${parts.join(', ')}) END`
}

/** `limits`, in the order of `LIMITS`. */
const limitsSql = (of: (name: string) => string): string =>
  `CONCAT_WS(' ', ${['max_questions', 'max_updates', 'max_connections', 'max_user_connections'].map(of).join(', ')})`

const MARIADB: Dialect = {
  product: 'MariaDB',
  isCluster: true,
  client: 'mariadb',
  clientOptions: sh` --loose-print-query-on-error=0`,
  statementLimit: (seconds) => `max_statement_time=${seconds}`,
  defineData: DEFINE_DATA,
  execute: (variable) => `EXECUTE IMMEDIATE ${variable};`,
  refuse: (isSame, message) => {
    const refusal = `SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = ${sqlText(message)}`
    return `SELECT IF(${isSame}, 'DO 0', ${sqlText(refusal)}) INTO @compared;\nEXECUTE IMMEDIATE @compared;\n`
  },
  alterDatabase: (name, isAsDeclared, sql) =>
    `SELECT IF(${isAsDeclared}, 'DO 0', ${sqlText(sql)}) INTO @change FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ${sqlText(name)};
EXECUTE IMMEDIATE @change;`,
  // Some are listed without their character set.
  collationName: "IF(COLLATION_NAME LIKE 'uca1400%', CONCAT(CHARACTER_SET_NAME, '_', COLLATION_NAME), COLLATION_NAME)",
  accounts: {
    table: 'mysql.global_priv',
    plugin: "IF(JSON_EXISTS(Priv, '$.auth_or'), 'several ways', JSON_VALUE(Priv, '$.plugin'))",
    secret: "COALESCE(JSON_VALUE(Priv, '$.authentication_string'), '')",
    requires: requiresSql([field('ssl_type', '0'), '0', '1', '2'], (name) => field(name, "''")),
    limits: limitsSql((name) => field(name, '0')),
    locked: field('account_locked', '0'),
    isAccount: "JSON_VALUE(Priv, '$.is_role') IS NULL",
    roles: 'SELECT User, Host, Role FROM mysql.roles_mapping',
    roleSql: sqlName,
    passwordPlugin: 'mysql_native_password',
    socketPlugin: 'unix_socket',
    identified: (hash) => `VIA ${hash === undefined ? 'unix_socket' : `mysql_native_password USING ${sqlText(hash)}`}`,
    afterPassword: () => '',
    comparesSocket: false,
  },
}

/** Data directory of MySQL. Releases with /var/lib/mariadb keep both apart. */
export const MYSQL_DATA = '/var/lib/mysql'

/** A prepared statement. MySQL has no `EXECUTE IMMEDIATE`. */
const prepared = (variable: string): string => `PREPARE provision FROM ${variable}; EXECUTE provision; DEALLOCATE PREPARE provision;`

const MYSQL: Dialect = {
  product: 'MySQL',
  isCluster: false,
  client: 'mysql',
  clientOptions: sh``,
  // It limits only queries; the client and the limits of locks end other statements.
  statementLimit: (seconds) => `innodb_lock_wait_timeout=${seconds},max_execution_time=${seconds * 1000}`,
  defineData: sh`data=${MYSQL_DATA}`,
  execute: prepared,
  // Neither SIGNAL nor another statement with a message can be prepared. This function quotes the text that it refuses.
  refuse: (isSame, message) => `DO UUID_TO_BIN(IF(${isSame}, UUID(), ${sqlText(message)}));\n`,
  // It cannot be prepared, and changes nothing if the database is as declared.
  alterDatabase: (_name, _isAsDeclared, sql) => `${sql};`,
  collationName: 'COLLATION_NAME',
  accounts: {
    table: 'mysql.user',
    plugin: "IF(JSON_EXTRACT(User_attributes, '$.additional_password') IS NULL, plugin, 'several ways')",
    secret: 'authentication_string',
    requires: requiresSql(['ssl_type', "''", "'ANY'", "'X509'"], (name) => name),
    limits: limitsSql((name) => name),
    locked: "IF(account_locked = 'Y', 'true', '0')",
    isAccount: 'TRUE',
    roles: "SELECT TO_USER AS User, TO_HOST AS Host, CONCAT(FROM_USER, '@', FROM_HOST) AS Role FROM mysql.role_edges",
    roleSql: (role) => {
      const at = role.lastIndexOf('@')
      return `${sqlText(role.slice(0, at))}@${sqlText(role.slice(at + 1))}`
    },
    passwordPlugin: 'caching_sha2_password',
    socketPlugin: 'auth_socket',
    identified: (hash) =>
      hash === undefined ? 'WITH auth_socket' : `WITH caching_sha2_password AS 0x${Buffer.from(hash, 'latin1').toString('hex')}`,
    afterPassword: (account) => `ALTER USER ${account} DISCARD OLD PASSWORD;\n`,
    comparesSocket: true,
  },
}

/**
 * The flavour of the server that specs of a host belong to. Throws `HostRefusal` if they differ: a host has one server, and one request
 * observes all its resources.
 */
export const flavourOf = (specs: readonly { readonly flavour: Flavour }[]): Flavour => {
  const [first = 'mariadb', ...others] = [...new Set(specs.map((spec) => spec.flavour))]
  if (others.length > 0)
    throw new HostRefusal(
      'database resources of one host have different flavours',
      `some are for ${DIALECTS[first].product}, others for ${others.map((one) => DIALECTS[one].product).join(', ')}`,
      'give all of them the same flavour: a host has one database server',
    )
  return first
}

export const DIALECTS: Readonly<Record<Flavour, Dialect>> = { mariadb: MARIADB, mysql: MYSQL }
