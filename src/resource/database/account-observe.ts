import { grantName } from './account-sql.ts'
import { readRows } from './client.ts'
import { type AccountName, DIALECTS, type Dialect, type Flavour } from './flavour.ts'
import { sqlText, UNKNOWN } from './mariadb.ts'

/** An account of the server. Its password appears only as a digest with a nonce that is new in every observation. */
export interface Account {
  /** Authentication plugin, or `several ways`. */
  readonly plugin: string
  readonly nonce: string
  readonly digest: string
  /** What a client must present: `NONE`, `SSL`, `X509`, or parts of a certificate (`subject /CN=shop`). */
  readonly requires: string
  readonly locked: boolean
  /** Queries, updates and connections per hour, and connections at once; 0 without a limit. */
  readonly limits: string
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

const digestSql = (nonce: string, { secret }: Dialect['accounts']): string => `SHA2(CONCAT('${nonce}', ${secret}), 256)`

/** SQL condition: the account is like this. Without `digest`, its password is not compared. */
export const isAccountSql = (
  { user, host, flavour }: AccountName,
  { plugin, nonce, digest, requires, locked, limits, grants }: Omit<Account, 'digest'> & Partial<Account>,
): string => {
  const its = DIALECTS[flavour].accounts
  const settings = [
    `User = ${sqlText(user)} AND Host = ${sqlText(host)} AND ${its.plugin} = ${sqlText(plugin)}`,
    ...(digest === undefined ? [] : [`${digestSql(nonce, its)} = '${digest}'`]),
    `${its.requires} = ${sqlText(requires)} AND ${its.limits} = ${sqlText(limits)}`,
    `${its.locked} ${locked ? 'NOT IN' : 'IN'} ('0', 'false')`,
  ]
  const own = `GRANTEE = ${sqlText(`'${user}'@'${host}'`)} AND PRIVILEGE_TYPE <> 'USAGE'`
  const named = (on: string, from: string): string =>
    `SELECT CONCAT(PRIVILEGE_TYPE, ' on ', ${on}, IF(IS_GRANTABLE = 'YES', ' (grantable)', '')) AS name FROM information_schema.${from} WHERE ${own}`
  const schema = `REPLACE(REPLACE(TABLE_SCHEMA, ${sqlText('\\_')}, '_'), ${sqlText('\\%')}, '%')`
  const all = [
    named("'*.*'", 'USER_PRIVILEGES'),
    named(`CONCAT(${schema}, '.*')`, 'SCHEMA_PRIVILEGES'),
    named(`CONCAT(TABLE_SCHEMA, '.', TABLE_NAME)`, 'TABLE_PRIVILEGES'),
    `SELECT CONCAT('role ', Role) FROM (${its.roles}) r WHERE User = ${sqlText(user)} AND Host = ${sqlText(host)}`,
  ]
  const known = grants.length === 0 ? '0' : `COALESCE(SUM(BINARY name IN (${grants.map(sqlText).join(', ')})), 0)`
  return `(EXISTS (SELECT 1 FROM ${its.table} WHERE ${settings.join(' AND ')})
 AND (SELECT COUNT(*) = ${grants.length} AND ${known} = ${grants.length} FROM (${all.join(' UNION ALL ')}) g))`
}

/** One query about all accounts of the server, and about the tables of their declared grants. */
export const accountsSql = (nonce: string, questions: readonly AccountQuestion[], flavour: Flavour): string => {
  const its = DIALECTS[flavour].accounts
  return `SELECT 'account', User, Host,
 ${its.plugin},
 ${digestSql(nonce, its)},
 ${its.requires}, ${its.locked}, ${its.limits} FROM ${its.table} WHERE ${its.isAccount};
SELECT 'grant', GRANTEE, '*.*', PRIVILEGE_TYPE, IS_GRANTABLE FROM information_schema.USER_PRIVILEGES
UNION ALL SELECT 'grant', GRANTEE, CONCAT(TABLE_SCHEMA, '.*'), PRIVILEGE_TYPE, IS_GRANTABLE FROM information_schema.SCHEMA_PRIVILEGES
UNION ALL SELECT 'grant', GRANTEE, CONCAT(TABLE_SCHEMA, '.', TABLE_NAME), PRIVILEGE_TYPE, IS_GRANTABLE FROM information_schema.TABLE_PRIVILEGES;
SELECT 'role', User, Host, Role FROM (${its.roles}) r;${tablesSql([...new Set(questions.flatMap(({ tables }) => tables))])}`
}

const tablesSql = (tables: readonly string[]): string =>
  tables.length === 0
    ? ''
    : `\nSELECT 'table', TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) IN (${tables.map(sqlText).join(', ')});`

/** Parses the answer for these accounts. */
export const readAccounts = (
  stdout: Buffer,
  nonce: string,
  { questions, flavour }: { readonly questions: readonly AccountQuestion[]; readonly flavour: Flavour },
): ReadonlyMap<string, AccountState> => {
  const rows = readRows(stdout, flavour)
  if (rows === undefined) return new Map(questions.map(({ id }) => [id, UNKNOWN]))
  const of = (sort: string) => rows.filter(([first]) => first === sort).map((row) => row.slice(1))
  const grants = Map.groupBy(of('grant'), ([grantee]) => grantee)
  const roles = Map.groupBy(of('role'), ([user, host]) => `${user}@${host}`)
  const accounts = new Map(
    of('account').map(([user = '', host = '', plugin = '', digest = '', requires = '', locked = '0', limits = '']): [string, Account] => {
      const granted = (grants.get(`'${user}'@'${host}'`) ?? [])
        .filter(([, , type]) => type !== 'USAGE')
        .map(
          ([, on = '', type = '', grantable]) =>
            `${grantName(type, on.replace(/\\([_%])/g, '$1'))}${grantable === 'YES' ? ' (grantable)' : ''}`,
        )
      const given = (roles.get(`${user}@${host}`) ?? []).map(([, , role]) => `role ${role}`)
      return [
        `${user}@${host}`,
        { plugin, nonce, digest, requires, locked: !['0', 'false'].includes(locked), limits, grants: [...granted, ...given].sort() },
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
