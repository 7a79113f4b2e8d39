import type { Target } from './privileges.ts'
import { sqlName, sqlText } from './sql.ts'

/** A statement that gives or takes privileges, and what a plan shows of it. */
export interface GrantChange {
  readonly gives: boolean
  /** The database in which it is executed; undefined for any. */
  readonly database: string | undefined
  readonly shown: string
  readonly sql: string
}

/** A statement that is executed only if a condition holds. */
const onlyIf = (condition: string, sql: string): string =>
  condition === '' ? `${sql};\n` : `SELECT ${sqlText(sql)} WHERE ${condition} \\gexec\n`

/** Something that can have privileges. */
export interface Place {
  /** The database in which its statements are executed; undefined for any. */
  readonly database: string | undefined
  readonly shown: string
  /** SQL after `ON`. */
  readonly sql: string
  /** SQL before `GRANT` and `REVOKE`. */
  readonly before: string
  /** SQL condition: it exists. Empty if it is known to. */
  readonly exists: string
}

const databaseExists = (database: string): string => `EXISTS (SELECT 1 FROM pg_database WHERE datname = ${sqlText(database)})`

const schemaExists = (schema: string): string => `EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = ${sqlText(schema)})`

const relationExists = (schema: string, name: string): string =>
  `EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = ${sqlText(schema)} AND relname = ${sqlText(name)})`

export const databasePlace = (database: string, exists: boolean): Place => ({
  ...{ database: exists ? undefined : database, before: '', exists: databaseExists(database) },
  ...{ shown: database, sql: `DATABASE ${sqlName(database)}` },
})

export const schemaPlace = (database: string, schema: string): Place => ({
  ...{ database, before: '', exists: schemaExists(schema) },
  ...{ shown: `${database}.${schema}`, sql: `SCHEMA ${sqlName(schema)}` },
})

const SQL: Readonly<Record<Target, string>> = { database: 'DATABASE', schema: 'SCHEMA', tables: 'TABLE', sequences: 'SEQUENCE' }

/** All tables or sequences of a schema. */
export const allPlace = (database: string, schema: string, target: Target): Place => ({
  ...{ database, before: '', exists: schemaExists(schema) },
  ...{ shown: `all ${target} of ${database}.${schema}`, sql: `ALL ${SQL[target]}S IN SCHEMA ${sqlName(schema)}` },
})

export const relationPlace = (database: string, target: Target, [schema, name]: readonly [string, string]): Place => ({
  ...{ database, before: '', exists: relationExists(schema, name) },
  ...{ shown: `${database}.${schema}.${name}`, sql: `${SQL[target]} ${sqlName(schema)}.${sqlName(name)}` },
})

/** Tables or sequences that a role creates later, in one schema or (with an empty name) in all. */
export const laterPlace = (database: string, [creator, schema, target]: readonly [string, string, string]): Place => ({
  database,
  shown: `later ${target} of ${creator} in ${database}${schema === '' ? '' : `.${schema}`}`,
  sql: target.toUpperCase(),
  exists: schema === '' ? '' : schemaExists(schema),
  before: `ALTER DEFAULT PRIVILEGES FOR ROLE ${sqlName(creator)}${schema === '' ? '' : ` IN SCHEMA ${sqlName(schema)}`} `,
})

const GRANTABLE = ' (grantable)'

const give = (role: string, { database, shown, sql, before, exists }: Place, privileges: readonly string[]): readonly GrantChange[] =>
  privileges.length === 0
    ? []
    : [
        {
          ...{ gives: true, database, shown: `${privileges.join(', ')} on ${shown}` },
          sql: onlyIf(exists, `${before}GRANT ${privileges.join(', ')} ON ${sql} TO ${sqlName(role)}`),
        },
      ]

/** What differs between declared privileges and those that a role has. A declared one that is grantable loses only that. */
export const between = (role: string, place: Place, wanted: readonly string[], has: readonly string[]): readonly GrantChange[] => {
  const { database, shown, sql, before, exists } = place
  const taken = has.flatMap((one) => {
    if (wanted.includes(one)) return []
    const privilege = one.replace(GRANTABLE, '')
    const what = wanted.includes(privilege) ? `GRANT OPTION FOR ${privilege}` : privilege
    const statement = onlyIf(exists, `${before}REVOKE ${what} ON ${sql} FROM ${sqlName(role)}`)
    return [{ gives: false, database, shown: `${one} on ${shown}`, sql: statement }]
  })
  const given = wanted.filter((one) => !has.includes(one) && !has.includes(one + GRANTABLE))
  return [...taken, ...give(role, place, given)]
}
