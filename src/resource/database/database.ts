import { z } from 'zod'
import { sh } from '../../shell/sh.ts'
import { counted, describeDifferences, differing } from '../kind/differences.ts'
import { type Change, defineKind, type Work } from '../kind/kind.ts'
import { wholeNumber } from '../kind/number.ts'
import { inTurn } from '../kind/one-by-one.ts'
import { HostRefusal } from '../kind/step.ts'
import { COLLATION, charset, collation, collationOf, refuseOtherCharset } from './charset.ts'
import { executeScript, queryScript, readRows, refuseChanged, withTrueFix } from './client.ts'
import { DIALECTS, type Flavour, flavour, flavourOf } from './flavour.ts'
import { isLead, sqlName, sqlText, UNKNOWN } from './mariadb.ts'
import { isOther, LIST_DATA, type OtherData, otherData, readData, refuseOther } from './other-data.ts'

/** The name of a database: a directory on the host, an identifier in SQL. */
export const databaseName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/, 'must be a database name: letters, digits, underscores and dashes, at most 64')
  .refine((name) => !SYSTEM.includes(name.toLowerCase()), 'must not be a database of the server itself')

const SYSTEM = ['mysql', 'information_schema', 'performance_schema', 'sys']

/** Options for servers that share their data: in a cluster, a statement on one server changes all. */
export const servers = {
  flavour: flavour.default('mariadb').meta({ description: 'server software: MariaDB, or MySQL 8.4', examples: ['mysql'] }),
  servers: z
    .array(z.string())
    .min(1)
    .meta({
      description:
        'names of all hosts whose servers share the data, in the same order on each; for a single server, its host. The first whose server runs applies changes',
      examples: [['db-01', 'db-02']],
    }),
  me: z.string().meta({ description: `name of the host of this resource, one of \`servers\`: \${host.name}`, examples: ['db-01'] }),
}

const schema = z
  .strictObject({
    name: databaseName.meta({ description: 'name of the database', examples: ['shop'] }),
    state: z.enum(['present', 'absent']).default('present').meta({ description: 'absent: the database is deleted if it has no tables' }),
    charset: charset.default('utf8mb4').meta({ description: 'character set of new tables' }),
    collation: collation.optional().meta({
      description: 'collation of new tables; default: the usual one of the server software for utf8mb4, else that of the server',
    }),
    loseAllRows: z.boolean().default(false).meta({
      description: 'with state: absent, delete the database with all its tables; otherwise one with tables is kept, and every plan warns',
    }),
    ...servers,
  })
  .superRefine(refuseOtherCharset)
  .transform((spec) => ({ ...spec, collation: collationOf(spec) }))

export type DatabaseSpec = z.output<typeof schema>
export type DatabaseState =
  | { readonly charset: string; readonly collation: string; readonly tables: number }
  | 'absent'
  | typeof UNKNOWN
  | typeof NO_COLLATION
  | OtherData

/** State of a database whose declared collation the server does not have. */
const NO_COLLATION = 'no such collation'

/** A database in a server, or in all servers of a cluster at once. */
export const database = defineKind({
  name: 'database',
  summary: 'database of MariaDB or MySQL',
  schema,
  id: ({ name }) => name,

  observe: (specs: readonly DatabaseSpec[]) => {
    const flavour = flavourOf(specs)
    const wanted = [
      ...new Set(
        specs.flatMap(({ state, collation }) =>
          state === 'present' && collation !== undefined && collation !== COLLATION[flavour] ? [collation] : [],
        ),
      ),
    ]
    return {
      script: sh`${LIST_DATA}
${queryScript(
  `SELECT SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME, (SELECT COUNT(*) FROM information_schema.TABLES t WHERE t.TABLE_SCHEMA = s.SCHEMA_NAME) FROM information_schema.SCHEMATA s;${collationsSql(wanted, flavour)}`,
  { flavour },
)}`,
      parse: (stdout) => {
        const { data, rest } = readData(stdout)
        const rows = readRows(rest, flavour)
        const collations = new Set(rows?.flatMap(([schema, name]) => (schema === '' ? [name] : [])))
        const found = new Map(
          (rows ?? []).flatMap(([name = '', charset = '', collation = '', tables = '']) =>
            name === '' ? [] : [[name, { charset, collation, tables: wholeNumber(tables, `the number of tables in ${name}`) }]],
          ),
        )
        const stateOf = ({ name, state, collation }: DatabaseSpec): DatabaseState => {
          const other = otherData(data, flavour)
          if (other !== undefined) return other
          if (rows === undefined) return UNKNOWN
          if (wanted.includes(collation ?? '') && state === 'present' && !collations.has(collation)) return NO_COLLATION
          return found.get(name) ?? 'absent'
        }
        return new Map(specs.map((spec) => [spec.name, stateOf(spec)]))
      },
    }
  },

  plan: (spec, state, context) => {
    if (!isLead(spec.me, spec.servers, context.members())) return undefined
    // The run refuses the host (`forbids`).
    if (isOther(state)) return undefined
    if (state === UNKNOWN) return planUnknown(spec.state, context.packagesPending)
    if (spec.state === 'absent')
      return typeof state === 'string' || isKept(spec, state)
        ? undefined
        : { action: 'delete', certainty: 'exact', reason: `declared absent, with ${counted(state.tables, 'table')}`, differences: [] }
    if (state === 'absent') return { action: 'create', certainty: 'exact', reason: 'missing', differences: [] }
    if (state === NO_COLLATION) return { action: 'update', certainty: 'exact', reason: NO_COLLATION, differences: [] }
    const { charset, collation = state.collation } = spec
    const differences = differing({ charset, collation }, state)
    return differences.length === 0
      ? undefined
      : { action: 'update', certainty: 'exact', reason: describeDifferences(differences), differences }
  },

  forbids: (spec, state) => {
    if (isOther(state)) return refuseOther(spec.flavour, state)
    return state === NO_COLLATION
      ? new HostRefusal(
          `database ${spec.name} cannot have the collation ${spec.collation}`,
          'the server does not have it (information_schema.COLLATIONS)',
          `choose one that \`SHOW COLLATION WHERE Charset = '${spec.charset}'\` lists, or remove collation`,
        )
      : undefined
  },

  notices: (spec, state) =>
    spec.state === 'absent' && typeof state !== 'string' && !isOther(state) && isKept(spec, state)
      ? [
          `database ${spec.name} is kept because it has ${counted(state.tables, 'table')}; set lose_all_rows: true to delete it with its tables`,
        ]
      : [],

  orphan: { keep: 'it holds data; declare it with state: absent to delete it, in the options of its role or as a resource' },
  apply: (work: readonly Work<DatabaseSpec, DatabaseState>[]) =>
    withTrueFix(
      inTurn(work, (one) => executeScript(`${compareSql(one)}${sqlOf(one.spec)}`, one.spec.flavour), {
        doing: 'changing databases',
        failed: (id) => `database ${id} not changed`,
      }),
      'correct the options of the database',
    ),
})

/** Existing ones of these collations, as rows with an empty name of a database. */
const collationsSql = (wanted: readonly string[], flavour: Flavour): string =>
  wanted.length === 0
    ? ''
    : `
SELECT '', name FROM (SELECT ${DIALECTS[flavour].collationName} AS name
 FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY) c WHERE name IN (${wanted.map(sqlText).join(', ')});`

const isKept = ({ loseAllRows }: DatabaseSpec, state: { readonly tables: number }): boolean => state.tables > 0 && !loseAllRows

/** The change of a resource in a server that does not run. If the server is still to be installed, the resource is missing. */
export const planUnknown = (state: 'present' | 'absent', installPending: boolean): Change | undefined => {
  if (!installPending)
    return {
      action: state === 'absent' ? 'delete' : 'update',
      certainty: 'dependent',
      reason: 'server not running, checked once it runs',
      differences: [],
    }
  return state === 'absent' ? undefined : { action: 'create', certainty: 'exact', reason: 'missing', differences: [] }
}

/**
 * Compares the database first. The state of a server that did not run is not known, and the plan says that it is checked once it runs. A
 * database that was absent may be the work of a script of this run.
 */
const compareSql = ({ spec, state, afterScripts }: Work<DatabaseSpec, DatabaseState>): string => {
  if (state === UNKNOWN || state === NO_COLLATION || isOther(state) || (state === 'absent' && afterScripts === true)) return ''
  const name = sqlText(spec.name)
  const is = (...settings: readonly string[]): string =>
    `EXISTS (SELECT 1 FROM information_schema.SCHEMATA WHERE ${[`SCHEMA_NAME = ${name}`, ...settings].join(' AND ')})`
  const tables = `(SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ${name})`
  const observed =
    state === 'absent'
      ? `NOT ${is()}`
      : `(${is(...settingsAre(state))}${spec.state === 'absent' ? ` AND ${tables} = ${state.tables}` : ''})`
  return refuseChanged(
    `database ${spec.name}`,
    `${observed} OR ${spec.state === 'absent' ? `NOT ${is()}` : is(...settingsAre(spec))}`,
    spec.flavour,
  )
}

const settingsAre = ({ charset, collation }: { readonly charset: string; readonly collation?: string | undefined }): readonly string[] => [
  `DEFAULT_CHARACTER_SET_NAME = ${sqlText(charset)}`,
  ...(collation === undefined ? [] : [`DEFAULT_COLLATION_NAME = ${sqlText(collation)}`]),
]

const sqlOf = (spec: DatabaseSpec): string => (spec.state === 'absent' ? dropSql(spec) : createSql(spec))

// The number of tables may have been unknown at planning.
const dropSql = ({ name, loseAllRows, flavour }: DatabaseSpec): string =>
  loseAllRows
    ? `DROP DATABASE IF EXISTS ${sqlName(name)};`
    : `SELECT IF(COUNT(*) = 0, ${sqlText(`DROP DATABASE IF EXISTS ${sqlName(name)}`)}, 'DO 0') INTO @change FROM information_schema.TABLES WHERE TABLE_SCHEMA = ${sqlText(name)};
${DIALECTS[flavour].execute('@change')}`

const createSql = ({ name, charset, collation, flavour }: DatabaseSpec): string => {
  const settings = `CHARACTER SET ${charset}${collation === undefined ? '' : ` COLLATE ${collation}`}`
  const isAsDeclared = settingsAre({ charset, collation }).join(' AND ')
  return `CREATE DATABASE IF NOT EXISTS ${sqlName(name)} ${settings};
${DIALECTS[flavour].alterDatabase(name, isAsDeclared, `ALTER DATABASE ${sqlName(name)} ${settings}`)}`
}
