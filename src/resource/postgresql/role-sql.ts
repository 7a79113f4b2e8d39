import type { GrantChange } from './place.ts'
import { attributesSql, grantsSql, type KnownRole, sharedSql } from './role-observe.ts'
import { databasesOf, idOf, type RoleSpec } from './role-spec.ts'
import { newParameters, scramVerifier } from './scram.ts'
import { compareSql, inDatabase, refuseUnless, sqlName, sqlText } from './sql.ts'

interface Options {
  readonly changes: readonly GrantChange[]
  /** A script of this run came between observation and change: it may have created what was absent. */
  readonly afterScripts: boolean
}

/** All statements that bring a role to its spec: one transaction for what the cluster shares, and one for each database. */
export const roleStatements = (spec: RoleSpec, state: KnownRole, { changes, afterScripts }: Options): string => {
  const [what, isAbsent] = [`postgresql-role ${idOf(spec)}`, state.role === undefined]
  const compare =
    isAbsent && afterScripts
      ? ''
      : `${compareSql(attributesSql(spec.name, state.nonce), state.digest, what)}${compareShared(spec, state, what)}`
  if (spec.state === 'absent') return `${compare}${deleteStatements(spec, state)}`
  const shared = [
    ...settings(spec),
    ...memberships(spec, state),
    ...changes.flatMap((one) => (one.database === undefined ? [one.sql] : [])),
  ]
  const databases = databasesOf(spec).flatMap((database, i) => {
    const inside = changes.filter((one) => one.database === database)
    if (inside.length === 0) return []
    // A role or a database that did not exist was created in this run; a script may have created tables in any.
    const found = isAbsent || afterScripts ? undefined : state.databases.get(database)
    const same = found === undefined ? '' : compareSql(grantsSql(spec.name), found.digest, what)
    return [inDatabase(database, i, `BEGIN;\n${same}${inside.map(({ sql }) => sql).join('')}COMMIT;`)]
  })
  return `BEGIN;\n${compare}${shared.join('')}COMMIT;\n${databases.join('')}`
}

/**
 * Fails if the role has got memberships or privileges on databases since the observation. It may have lost some: an earlier resource of the
 * run deletes a role or a database.
 */
const compareShared = ({ name }: RoleSpec, { role }: KnownRole, what: string): string => {
  if (role === undefined) return ''
  const { memberOf, databases } = role
  return refuseUnless(`(${sharedSql(name)}) <@ ${sqlText(JSON.stringify({ memberOf, databases }))}::jsonb`, what)
}

const word = (name: string, isSet: boolean): string => `${isSet ? '' : 'NO'}${name}`

const settings = (spec: RoleSpec): readonly string[] => {
  const { name, password, validUntil, connectionLimit } = spec
  const verifier = password && scramVerifier(password.reveal(), newParameters(password.reveal(), name))
  const attributes = [
    word('LOGIN', spec.login),
    word('SUPERUSER', spec.superuser),
    word('CREATEDB', spec.createdb),
    word('CREATEROLE', spec.createrole),
    word('REPLICATION', spec.replication),
    word('BYPASSRLS', spec.bypassRls),
    word('INHERIT', spec.inherit),
    `CONNECTION LIMIT ${connectionLimit}`,
    `VALID UNTIL ${sqlText(validUntil === undefined ? 'infinity' : `${validUntil} 00:00:00+00`)}`,
    `PASSWORD ${verifier === undefined ? 'NULL' : sqlText(verifier)}`,
  ]
  const isMissing = `NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = ${sqlText(name)})`
  return [
    `SELECT ${sqlText(`CREATE ROLE ${sqlName(name)} NOLOGIN`)} WHERE ${isMissing} \\gexec\n`,
    `ALTER ROLE ${sqlName(name)} ${attributes.join(' ')};\n`,
  ]
}

const memberships = ({ name, memberOf }: RoleSpec, { role }: KnownRole): readonly string[] => {
  const has = role?.memberOf ?? []
  const excess = has.filter((one) => !memberOf.includes(one)).map((one) => one.replace(/ \(admin\)$/, ''))
  return [
    ...excess.map((group) => revokeMembership(group, name)),
    ...memberOf.filter((group) => !has.includes(group)).map((group) => `GRANT ${sqlName(group)} TO ${sqlName(name)};\n`),
  ]
}

/** From PostgreSQL 16 on, several roles can have granted a membership, and each grant is revoked by itself. */
const revokeMembership = (group: string, name: string): string =>
  `SELECT format('REVOKE %I FROM %I', ${sqlText(group)}, ${sqlText(name)}) || CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN format(' GRANTED BY %I', pg_get_userbyid(grantor)) ELSE '' END
 FROM pg_auth_members WHERE roleid = (SELECT oid FROM pg_roles WHERE rolname = ${sqlText(group)}) AND member = (SELECT oid FROM pg_roles WHERE rolname = ${sqlText(name)}) \\gexec
`

/** Deletes a role that owns nothing. `DROP OWNED` then only revokes its privileges, which would keep it. */
const deleteStatements = ({ name }: RoleSpec, { role, grantedIn }: KnownRole): string => {
  if (role === undefined) return ''
  const oid = `(SELECT oid FROM pg_roles WHERE rolname = ${sqlText(name)})`
  const owned = `EXISTS (SELECT 1 FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND refobjid = ${oid} AND deptype = 'o')`
  const refuse = `DO ${sqlText(`BEGIN IF ${owned} THEN RAISE EXCEPTION 'the role owns objects'; END IF; END`)};\n`
  const drop = `${refuse}DROP OWNED BY ${sqlName(name)} RESTRICT;\n`
  const inside = grantedIn.filter((one) => one !== 'all databases')
  return `${inside.map((database, i) => inDatabase(database, i, `BEGIN;\n${drop}COMMIT;`)).join('')}BEGIN;\n${drop}DROP ROLE ${sqlName(name)};\nCOMMIT;\n`
}
