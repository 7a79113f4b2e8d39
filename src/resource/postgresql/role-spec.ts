import { z } from 'zod'
import { secret } from '../kind/secret.ts'
import { clusterOption, within } from './cluster.ts'
import { expanded, privilegeFault, type Target } from './privileges.ts'
import { passwordFault } from './scram.ts'
import { databaseName, memberName, objectName, roleName } from './sql.ts'

const relations = (what: string) =>
  z
    .union([z.literal('all'), z.array(objectName).min(1)])
    .optional()
    .meta({ description: `${what} of the schema: names, or all that exist`, examples: [['orders'], 'all'] })

const grant = z
  .strictObject({
    database: databaseName,
    schema: objectName
      .optional()
      .meta({ description: 'a schema of the database; without it, privileges on the database', examples: ['public'] }),
    tables: relations('tables and views'),
    sequences: relations('sequences'),
    createdBy: roleName.optional().meta({
      description: 'with `tables: all` or `sequences: all`: also those that this role creates later (default privileges)',
      examples: ['shop'],
    }),
    privileges: z
      .array(z.string())
      .min(1)
      .meta({ description: 'privileges in the words of PostgreSQL; ALL for each of PostgreSQL 15', examples: [['SELECT', 'INSERT']] }),
  })
  .superRefine((given, context) => {
    const refuse = (path: PropertyKey[], message: string, fix: string): void =>
      context.addIssue({ code: 'custom', path, message, params: { fix } })
    if (given.tables !== undefined && given.sequences !== undefined)
      refuse(['sequences'], 'must be in a grant of its own', 'write two grants, because the privileges differ')
    if (given.schema === undefined && (given.tables !== undefined || given.sequences !== undefined))
      refuse(['schema'], 'must be set for tables and sequences', 'write `schema: public`, for example')
    if (given.createdBy !== undefined && given.tables !== 'all' && given.sequences !== 'all')
      refuse(['createdBy'], 'needs all tables or all sequences', 'write `tables: all`')
    for (const [i, written] of given.privileges.entries()) {
      const fault = privilegeFault(targetOf(given), written)
      if (fault !== undefined) refuse(['privileges', i], fault.message, fault.fix)
    }
  })
  .transform((given): Grant => {
    const target = targetOf(given)
    return {
      ...{ database: given.database, target, schema: given.schema ?? '', createdBy: given.createdBy },
      names: given.tables ?? given.sequences ?? [],
      privileges: expanded(target, given.privileges),
    }
  })

/** Privileges on one target. */
export interface Grant {
  readonly database: string
  readonly target: Target
  /** Empty for a database. */
  readonly schema: string
  /** Names of tables or sequences. */
  readonly names: readonly string[] | 'all'
  readonly createdBy: string | undefined
  readonly privileges: readonly string[]
}

const targetOf = (given: { readonly schema?: string | undefined; readonly tables?: unknown; readonly sequences?: unknown }): Target => {
  if (given.tables !== undefined) return 'tables'
  if (given.sequences !== undefined) return 'sequences'
  return given.schema === undefined ? 'database' : 'schema'
}

const flag = (description: string, byDefault = false) => z.boolean().default(byDefault).meta({ description })

const isDay = (text: string): boolean => {
  const date = new Date(text)
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text)
}

const day = z
  .string()
  .regex(/^\d{4}-\d\d-\d\d$/, 'must be a day such as 2027-12-31')
  .refine(isDay, 'must be a day of the calendar')

export const schema = z
  .strictObject({
    name: roleName
      .refine((name) => name !== 'postgres', 'must not be postgres, as which provision connects')
      .meta({ description: 'name of the role', examples: ['shop'] }),
    state: z.enum(['present', 'absent']).default('present'),
    password: secret().optional().meta({ description: 'its password. Without one, it can log in only by other ways, such as `peer`' }),
    login: flag('it can log in', true),
    superuser: flag('no permission is checked'),
    createdb: flag('it can create databases'),
    createrole: flag('it can create roles'),
    replication: flag('it can replicate the server'),
    bypassRls: flag('policies of rows do not limit it'),
    inherit: flag('it has the privileges of the roles in `memberOf`', true),
    connectionLimit: z.int().min(-1).default(-1).meta({ description: 'maximum number of simultaneous sessions; -1: no limit' }),
    validUntil: day.optional().meta({ description: 'the day (UTC) from which its password is invalid', examples: ['2027-12-31'] }),
    memberOf: z
      .array(memberName)
      .default([])
      .meta({
        description: 'all roles that it is a member of, also of the server itself; other memberships are revoked',
        examples: [['reporting'], ['pg_monitor']],
      }),
    grants: z
      .array(grant)
      .default([])
      .meta({ description: 'all its privileges: others on databases, and in the databases named here, are revoked' }),
    cluster: clusterOption,
  })
  .superRefine(({ password }, context) => {
    const message = password === undefined ? undefined : passwordFault(password.reveal())
    if (message !== undefined) context.addIssue({ code: 'custom', path: ['password'], message })
  })
  .refine(({ name, memberOf }) => !memberOf.includes(name), { path: ['memberOf'], message: 'must not have the role itself' })

export type RoleSpec = z.output<typeof schema>

export const idOf = ({ name, cluster }: RoleSpec): string => within(cluster, name)

/** Databases in which the grants of a role are compared. */
export const databasesOf = ({ state, grants }: RoleSpec): readonly string[] =>
  state === 'absent' ? [] : [...new Set(grants.map(({ database }) => database))]
