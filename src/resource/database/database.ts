import { z } from 'zod'
import { counted, describeDifferences, differing } from '../kind/differences.ts'
import { type Change, defineKind, type Work } from '../kind/kind.ts'
import { wholeNumber } from '../kind/number.ts'
import { inTurn } from '../kind/one-by-one.ts'
import { executeScript, queryScript, readRows } from './client.ts'
import { isLead, sqlName, sqlText, UNKNOWN } from './mariadb.ts'

const word = z.string().regex(/^[A-Za-z0-9_]{1,64}$/)

/** The name of a database: a directory on the host, an identifier in SQL. */
export const databaseName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/, 'must be a database name: letters, digits, underscores and dashes, at most 64')
  .refine((name) => !SYSTEM.includes(name.toLowerCase()), 'must not be a database of the server itself')

const SYSTEM = ['mysql', 'information_schema', 'performance_schema', 'sys']

/** Options for servers that share their data: in a cluster, a statement on one server changes all. */
export const servers = {
  /** Hosts of the servers. The first that runs applies changes. */
  servers: z.array(z.string()).min(1),
  me: z.string(),
}

const schema = z.strictObject({
  name: databaseName,
  state: z.enum(['present', 'absent']).default('present'),
  charset: word.default('utf8mb4'),
  collation: word.default('utf8mb4_unicode_ci'),
  /** With `absent`: delete it with all its tables. Otherwise a database with tables is kept, and every plan warns about it. */
  loseAllRows: z.boolean().default(false),
  ...servers,
})

export type DatabaseSpec = z.output<typeof schema>
export type DatabaseState = { readonly charset: string; readonly collation: string; readonly tables: number } | 'absent' | typeof UNKNOWN

/** A database in a server, or in all servers of a cluster at once. */
export const database = defineKind({
  name: 'database',
  schema,
  id: ({ name }) => name,

  observe: (specs: readonly DatabaseSpec[]) => ({
    script: queryScript(
      'SELECT SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME, (SELECT COUNT(*) FROM information_schema.TABLES t WHERE t.TABLE_SCHEMA = s.SCHEMA_NAME) FROM information_schema.SCHEMATA s;',
    ),
    parse: (stdout) => {
      const rows = readRows(stdout)
      const found = new Map(
        (rows ?? []).map(([name = '', charset = '', collation = '', tables = '']) => [
          name,
          { charset, collation, tables: wholeNumber(tables, `the number of tables in ${name}`) },
        ]),
      )
      return new Map(specs.map(({ name }): [string, DatabaseState] => [name, rows === undefined ? UNKNOWN : (found.get(name) ?? 'absent')]))
    },
  }),

  plan: (spec, state, context) => {
    if (!isLead(spec.me, spec.servers, context.members())) return undefined
    const { charset, collation } = spec
    if (state === UNKNOWN) return planUnknown(spec.state, context.packagesPending)
    if (spec.state === 'absent')
      return state === 'absent' || isKept(spec, state)
        ? undefined
        : { action: 'delete', certainty: 'exact', reason: `declared absent, with ${counted(state.tables, 'table')}`, differences: [] }
    if (state === 'absent') return { action: 'create', certainty: 'exact', reason: 'missing', differences: [] }
    const differences = differing({ charset, collation }, state)
    return differences.length === 0
      ? undefined
      : { action: 'update', certainty: 'exact', reason: describeDifferences(differences), differences }
  },

  notices: (spec, state) =>
    spec.state === 'absent' && state !== 'absent' && state !== UNKNOWN && isKept(spec, state)
      ? [
          `database ${spec.name} is kept because it has ${counted(state.tables, 'table')}; set lose_all_rows: true to delete it with its tables`,
        ]
      : [],

  orphan: { keep: 'it holds data; declare it with state: absent to delete it' },
  apply: (work: readonly Work<DatabaseSpec, DatabaseState>[]) =>
    inTurn(work, ({ spec }) => executeScript(sqlOf(spec)), {
      doing: 'changing databases',
      failed: (id) => `database ${id} not changed`,
      fix: 'start the server, and make sure that it belongs to the majority of its cluster',
    }),
})

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

const sqlOf = (spec: DatabaseSpec): string => (spec.state === 'absent' ? dropSql(spec) : createSql(spec))

// The number of tables may have been unknown at planning.
const dropSql = ({ name, loseAllRows }: DatabaseSpec): string =>
  loseAllRows
    ? `DROP DATABASE IF EXISTS ${sqlName(name)};`
    : `SELECT IF(COUNT(*) = 0, ${sqlText(`DROP DATABASE IF EXISTS ${sqlName(name)}`)}, 'DO 0') INTO @change FROM information_schema.TABLES WHERE TABLE_SCHEMA = ${sqlText(name)};
EXECUTE IMMEDIATE @change;`

const createSql = ({ name, charset, collation }: DatabaseSpec): string =>
  `CREATE DATABASE IF NOT EXISTS ${sqlName(name)} CHARACTER SET ${charset} COLLATE ${collation};
SELECT IF(DEFAULT_CHARACTER_SET_NAME = ${sqlText(charset)} AND DEFAULT_COLLATION_NAME = ${sqlText(collation)}, 'DO 0', ${sqlText(`ALTER DATABASE ${sqlName(name)} CHARACTER SET ${charset} COLLATE ${collation}`)}) INTO @change FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ${sqlText(name)};
EXECUTE IMMEDIATE @change;`
