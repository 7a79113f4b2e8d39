import { grantName } from './account-sql.ts'
import { readRows } from './client.ts'
import { UNKNOWN } from './mariadb.ts'

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

export type AccountState = Account | 'absent' | typeof UNKNOWN

/** One query about all accounts of the server. */
export const accountsSql = (nonce: string): string => `SELECT 'account', User, Host,
 IF(JSON_EXISTS(Priv, '$.auth_or'), 'several ways', JSON_VALUE(Priv, '$.plugin')),
 SHA2(CONCAT('${nonce}', COALESCE(JSON_VALUE(Priv, '$.authentication_string'), '')), 256),
 COALESCE(JSON_VALUE(Priv, '$.ssl_type'), 0), COALESCE(JSON_VALUE(Priv, '$.account_locked'), 0) FROM mysql.global_priv WHERE JSON_VALUE(Priv, '$.is_role') IS NULL;
SELECT 'grant', GRANTEE, '*.*', PRIVILEGE_TYPE, IS_GRANTABLE FROM information_schema.USER_PRIVILEGES
UNION ALL SELECT 'grant', GRANTEE, CONCAT(TABLE_SCHEMA, '.*'), PRIVILEGE_TYPE, IS_GRANTABLE FROM information_schema.SCHEMA_PRIVILEGES
UNION ALL SELECT 'grant', GRANTEE, CONCAT(TABLE_SCHEMA, '.', TABLE_NAME), PRIVILEGE_TYPE, IS_GRANTABLE FROM information_schema.TABLE_PRIVILEGES;
SELECT 'role', User, Host, Role FROM mysql.roles_mapping;`

/** Parses the answer for these accounts (`user@host`). */
export const readAccounts = (stdout: Buffer, nonce: string, ids: readonly string[]): ReadonlyMap<string, AccountState> => {
  const rows = readRows(stdout)
  if (rows === undefined) return new Map(ids.map((id) => [id, UNKNOWN]))
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
  return new Map(ids.map((id): [string, AccountState] => [id, accounts.get(id) ?? 'absent']))
}
