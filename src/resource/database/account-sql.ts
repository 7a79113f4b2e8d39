import { limitsSql, requirementSql } from './account-limits.ts'
import type { AccountSpec } from './account-spec.ts'
import { DIALECTS, type Dialect } from './flavour.ts'
import { sqlName, sqlText } from './mariadb.ts'

/** A privilege on a target, as a plan shows it. */
export const grantName = (privilege: string, on: string): string => `${privilege} on ${on}`

/** SQL that brings an account to its spec. Excess grants are revoked before missing ones are granted. */
export const accountSql = (spec: AccountSpec, has: readonly string[]): string => {
  const name = `${sqlText(spec.user)}@${sqlText(spec.host)}`
  if (spec.state === 'absent') return `DROP USER IF EXISTS ${name};\n`
  const dialect = DIALECTS[spec.flavour]
  const settings = `${name} IDENTIFIED ${dialect.accounts.identified(spec.password?.reveal())} REQUIRE ${requirementSql(spec)} ${limitsSql(spec.limits)} ACCOUNT UNLOCK`
  const desired = new Set(spec.grants.flatMap(({ on, privileges }) => privileges.map((one) => grantName(one, on))))
  const excess = has.filter((one) => !desired.has(one))
  // Once per target, and first: the server knows no grant of a target from which everything was revoked.
  const options = [...new Set(excess.flatMap((one) => (one.endsWith(GRANTABLE) ? [targetOf(one)] : [])))]
  const revoked = [
    ...options.map((on) => `REVOKE GRANT OPTION ON ${grantTarget(on)} FROM ${name};\n`),
    ...excess.map((one) => revokeSql(one, name, dialect)),
  ]
  const given = spec.grants.map((grant) => {
    const sql = `GRANT ${grant.privileges.join(', ')} ON ${grantTarget(grant.on)} TO ${name}`
    return needsTable(grant) ? ifTableIsThere(grant.on, sql, dialect) : `${sql};\n`
  })
  const after = spec.password === undefined ? '' : dialect.accounts.afterPassword(name)
  return `CREATE USER IF NOT EXISTS ${settings};\nALTER USER ${settings};\n${after}${[...revoked, ...given].join('')}`
}

/** Whether the server accepts a grant only for an existing table. It does so unless the account may create the table. */
export const needsTable = ({ on, privileges }: AccountSpec['grants'][number]): boolean =>
  !on.endsWith('.*') && !privileges.includes('CREATE')

const ifTableIsThere = (on: string, sql: string, { execute }: Dialect): string =>
  `SELECT IF(COUNT(*) = 0, 'DO 0', ${sqlText(sql)}) INTO @grant FROM information_schema.TABLES WHERE CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) = ${sqlText(on)};
${execute('@grant')}\n`

const GRANTABLE = ' (grantable)'

const PARTS = /^(.+?) on (.+?)( \(grantable\))?$/

const targetOf = (grant: string): string => PARTS.exec(grant)?.[2] ?? ''

const revokeSql = (grant: string, name: string, { accounts }: Dialect): string => {
  const [, privilege, on = ''] = PARTS.exec(grant) ?? []
  return privilege === undefined
    ? `REVOKE ${accounts.roleSql(grant.replace(/^role /, ''))} FROM ${name};\n`
    : `REVOKE ${privilege} ON ${grantTarget(on)} FROM ${name};\n`
}

/** The target of a grant in SQL. In the name of a database, `_` and `%` are wildcards unless they are escaped. */
const grantTarget = (on: string): string => {
  if (on === '*.*') return on
  const end = on.indexOf('.')
  const [schema, table] = [on.slice(0, end), on.slice(end + 1)]
  return table === '*' ? `${sqlName(schema.replace(/[_%]/g, '\\$&'))}.*` : `${sqlName(schema)}.${sqlName(table)}`
}
