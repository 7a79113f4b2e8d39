import { z } from 'zod'

/** Quotes a text for SQL, for any value of `standard_conforming_strings`. The result is one line, so it cannot end a here-document. */
export const sqlText = (value: string): string => {
  const quoted = value.replaceAll("'", "''")
  return /[\\\n\r]/.test(value) ? `E'${quoted.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\r', '\\r')}'` : `'${quoted}'`
}

/** Quotes an identifier for SQL. */
export const sqlName = (name: string): string => `"${name.replaceAll('"', '""')}"`

/**
 * The command of psql that connects to another database of the cluster. Both its argument and the connection string are quoted, and psql
 * takes double quotes out of the argument once more, as out of an identifier.
 */
export const connectTo = (database: string): string => {
  const escaped = (text: string): string => `'${text.replace(/[\\']/g, '\\$&')}'`
  return `\\connect -reuse-previous=on ${escaped(`dbname=${escaped(database)}`).replaceAll('"', '""""')}`
}

/** Statements for one database, skipped if it does not exist. `tag` is unique among those of one psql. */
export const inDatabase = (database: string, tag: number, statements: string): string =>
  `SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = ${sqlText(database)} AND datallowconn) AS there${tag} \\gset
\\if :there${tag}
${connectTo(database)}
${statements}
\\endif
`

/** A JSON value as SQL, of a list of texts. */
export const sqlTexts = (values: readonly string[]): string => `ARRAY[${values.map(sqlText).join(', ')}]::text[]`

/** The first word of the error by which a comparison ends a script. */
export const MARK = 'PROVISION CHANGED'

/** A statement that fails unless a condition holds. Put it into the transaction that writes. */
export const refuseUnless = (condition: string, what: string): string => {
  const message = `${MARK}: ${what} is not as it was observed`
  return `DO ${sqlText(`BEGIN IF (${condition}) IS NOT TRUE THEN RAISE EXCEPTION USING MESSAGE = ${sqlText(message)}; END IF; END`)};\n`
}

/**
 * A statement that fails unless the digest of this expression is the observed one.
 * @param expression - SQL of a value, as the observation reports it
 */
export const compareSql = (expression: string, digest: string, what: string): string =>
  refuseUnless(`encode(sha256(convert_to(COALESCE((${expression})::text, ''), 'UTF8')), 'hex') = ${sqlText(digest)}`, what)

/** A name of PostgreSQL: its identifiers have at most 63 bytes. */
const identifier = z
  .string()
  .regex(/^[^\p{Cc}\p{Zl}\p{Zp}/]+$/u, 'must be a name without slashes and control characters')
  .refine((name) => Buffer.byteLength(name) <= 63, 'must have at most 63 bytes, which is the limit of PostgreSQL')
  .refine((name) => name.trim() === name, 'must not begin or end with a space')

/** The name of a database. */
export const databaseName = identifier
  .refine((name) => !/^template[01]$/.test(name), 'must not be a template of the server itself')
  .meta({ description: 'name of the database', examples: ['shop'] })

/** The name of a schema, a table or an extension. */
export const objectName = identifier

/** The name of a role that can be a member of others, or have members: also one of the server itself, such as pg_monitor. */
export const memberName = identifier.refine(
  (name) => !['public', 'none', 'current_user', 'session_user', 'current_role'].includes(name),
  'must not be a word of SQL for roles',
)

/** The name of a role of the server. */
export const roleName = memberName.refine((name) => !name.startsWith('pg_'), 'must not begin with pg_, as the roles of the server itself')
