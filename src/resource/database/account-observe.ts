import { grantName } from './account-sql.ts'
import { readRows } from './client.ts'
import { sqlText, UNKNOWN } from './mariadb.ts'

/** An account of the server. Its password appears only as a digest with a nonce that is new in every observation. */
export interface Account {
  /** Authentication plugin, or `several ways`. */
  readonly plugin: string
  readonly nonce: string
  readonly digest: string
  readonly tls: boolean
  readonly locked: boolean
  /** `SELECT on shop.*`, sorted; with ` (grantable)` if the account may grant it to others. */
  readonly grants: readonly string[]
}

/** An account, and the tables of its declared grants that do not exist. */
export interface FoundAccount {
  readonly account: Account | 'absent'
  readonly missingTables: readonly string[]
}

export type AccountState = FoundAccount | typeof UNKNOWN

/** An account to observe: `user@host`, and the tables (`shop.orders`) of its declared grants. */
export interface AccountQuestion {
  readonly id: string
  readonly tables: readonly string[]
}

const PLUGIN = "IF(JSON_EXISTS(Priv, '$.auth_or'), 'several ways', JSON_VALUE(Priv, '$.plugin'))"
const digestSql = (nonce: string): string => `SHA2(CONCAT('${nonce}', COALESCE(JSON_VALUE(Priv, '$.authentication_string'), '')), 256)`
const TLS = "COALESCE(JSON_VALUE(Priv, '$.ssl_type'), 0)"
const LOCKED = "COALESCE(JSON_VALUE(Priv, '$.account_locked'), 0)"

/** SQL condition: the account is like this. Without `digest`, its password is not compared. */
export const isAccountSql = (
  user: string,
  host: string,
  { plugin, nonce, digest, tls, locked, grants }: Omit<Account, 'digest'> & Partial<Account>,
): string => {
  const settings = [
    `User = ${sqlText(user)} AND Host = ${sqlText(host)} AND ${PLUGIN} = ${sqlText(plugin)}`,
    ...(digest === undefined ? [] : [`${digestSql(nonce)} = '${digest}'`]),
    `${TLS} ${tls ? '<>' : '='} 0`,
    `${LOCKED} ${locked ? 'NOT IN' : 'IN'} ('0', 'false')`,
  ]
  const own = `GRANTEE = ${sqlText(`'${user}'@'${host}'`)} AND PRIVILEGE_TYPE <> 'USAGE'`
  const named = (on: string, from: string): string =>
    `SELECT CONCAT(PRIVILEGE_TYPE, ' on ', ${on}, IF(IS_GRANTABLE = 'YES', ' (grantable)', '')) AS name FROM information_schema.${from} WHERE ${own}`
  const schema = `REPLACE(REPLACE(TABLE_SCHEMA, ${sqlText('\\_')}, '_'), ${sqlText('\\%')}, '%')`
  const all = [
    named("'*.*'", 'USER_PRIVILEGES'),
    named(`CONCAT(${schema}, '.*')`, 'SCHEMA_PRIVILEGES'),
    named(`CONCAT(TABLE_SCHEMA, '.', TABLE_NAME)`, 'TABLE_PRIVILEGES'),
    `SELECT CONCAT('role ', Role) FROM mysql.roles_mapping WHERE User = ${sqlText(user)} AND Host = ${sqlText(host)}`,
  ]
  const known = grants.length === 0 ? '0' : `COALESCE(SUM(BINARY name IN (${grants.map(sqlText).join(', ')})), 0)`
  return `(EXISTS (SELECT 1 FROM mysql.global_priv WHERE ${settings.join(' AND ')})
 AND (SELECT COUNT(*) = ${grants.length} AND ${known} = ${grants.length} FROM (${all.join(' UNION ALL ')}) g))`
}

/** One query about all accounts of the server, and about the tables of their declared grants. */
export const accountsSql = (nonce: string, questions: readonly AccountQuestion[]): string => `SELECT 'account', User, Host,
 ${PLUGIN},
 ${digestSql(nonce)},
 ${TLS}, ${LOCKED} FROM mysql.global_priv WHERE JSON_VALUE(Priv, '$.is_role') IS NULL;
SELECT 'grant', GRANTEE, '*.*', PRIVILEGE_TYPE, IS_GRANTABLE FROM information_schema.USER_PRIVILEGES
UNION ALL SELECT 'grant', GRANTEE, CONCAT(TABLE_SCHEMA, '.*'), PRIVILEGE_TYPE, IS_GRANTABLE FROM information_schema.SCHEMA_PRIVILEGES
UNION ALL SELECT 'grant', GRANTEE, CONCAT(TABLE_SCHEMA, '.', TABLE_NAME), PRIVILEGE_TYPE, IS_GRANTABLE FROM information_schema.TABLE_PRIVILEGES;
SELECT 'role', User, Host, Role FROM mysql.roles_mapping;${tablesSql([...new Set(questions.flatMap(({ tables }) => tables))])}`

const tablesSql = (tables: readonly string[]): string =>
  tables.length === 0
    ? ''
    : `\nSELECT 'table', TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) IN (${tables.map(sqlText).join(', ')});`

/** Parses the answer for these accounts. */
export const readAccounts = (stdout: Buffer, nonce: string, questions: readonly AccountQuestion[]): ReadonlyMap<string, AccountState> => {
  const rows = readRows(stdout)
  if (rows === undefined) return new Map(questions.map(({ id }) => [id, UNKNOWN]))
  const of = (sort: string) => rows.filter(([first]) => first === sort).map((row) => row.slice(1))
  const grants = Map.groupBy(of('grant'), ([grantee]) => grantee)
  const roles = Map.groupBy(of('role'), ([user, host]) => `${user}@${host}`)
  const accounts = new Map(
    of('account').map(([user = '', host = '', plugin = '', digest = '', tls, locked]): [string, Account] => {
      const granted = (grants.get(`'${user}'@'${host}'`) ?? [])
        .filter(([, , type]) => type !== 'USAGE')
        .map(
          ([, on = '', type = '', grantable]) =>
            `${grantName(type, on.replace(/\\([_%])/g, '$1'))}${grantable === 'YES' ? ' (grantable)' : ''}`,
        )
      const given = (roles.get(`${user}@${host}`) ?? []).map(([, , role]) => `role ${role}`)
      return [
        `${user}@${host}`,
        { plugin, nonce, digest, tls: tls !== '0', locked: !['0', 'false'].includes(locked ?? '0'), grants: [...granted, ...given].sort() },
      ]
    }),
  )
  const existing = new Set(of('table').map(([schema, table]) => `${schema}.${table}`))
  return new Map(
    questions.map(({ id, tables }): [string, AccountState] => [
      id,
      { account: accounts.get(id) ?? 'absent', missingTables: tables.filter((table) => !existing.has(table)) },
    ]),
  )
}
