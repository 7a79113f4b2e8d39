import { z } from 'zod'
import { sha256Hex } from '../kind/content.ts'
import { counted, describeDifferences, differing } from '../kind/differences.ts'
import { type Change, defineKind, type Work } from '../kind/kind.ts'
import { inTurn } from '../kind/one-by-one.ts'
import { HostRefusal, type Steps } from '../kind/step.ts'
import {
  clusterOption,
  executeScript,
  forbidUnknown,
  mayAppear,
  observeAgain,
  planUnknown,
  type Row,
  type Unknown,
  within,
} from './cluster.ts'
import { observeClusters } from './observe.ts'
import { compareSql, connectTo, databaseName, inDatabase, roleName, sqlName, sqlText } from './sql.ts'

/** Encodings of a database, in the words of the server. */
const ENCODINGS =
  'UTF8 SQL_ASCII EUC_CN EUC_JIS_2004 EUC_JP EUC_KR EUC_TW ISO_8859_5 ISO_8859_6 ISO_8859_7 ISO_8859_8 KOI8R KOI8U LATIN1 LATIN2 LATIN3 LATIN4 LATIN5 LATIN6 LATIN7 LATIN8 LATIN9 LATIN10 WIN866 WIN874 WIN1250 WIN1251 WIN1252 WIN1253 WIN1254 WIN1255 WIN1256 WIN1257 WIN1258'.split(
    ' ',
  )

/** Encoding and collation of a new database, unless others are declared: every host of Debian has both. */
const [ENCODING, COLLATION] = ['UTF8', 'C.UTF-8']

const schema = z.strictObject({
  name: databaseName,
  state: z.enum(['present', 'absent']).default('present'),
  owner: roleName.default('postgres').meta({ description: 'the role that owns it', examples: ['shop'] }),
  encoding: z
    .string()
    .refine((name) => ENCODINGS.includes(name), 'must be an encoding of PostgreSQL such as UTF8')
    .optional()
    .meta({ description: 'encoding, UTF8 in a new database; the server cannot change it later', examples: ['UTF8'] }),
  collation: z
    .string()
    .regex(/^[A-Za-z0-9_.@-]{1,60}$/, 'must be a locale of the host such as de_DE.UTF-8')
    .optional()
    .meta({
      description: 'locale for order and classes of characters, C.UTF-8 in a new database; the server cannot change it later',
      examples: ['de_DE.UTF-8'],
    }),
  template: z
    .union([databaseName, z.enum(['template0', 'template1'])])
    .default('template0')
    .meta({ description: 'the database that a new one is copied from' }),
  connectionLimit: z
    .int()
    .min(-1)
    .optional()
    .meta({ description: 'maximum number of simultaneous sessions; -1: no limit', examples: [50] }),
  loseAllRows: z
    .boolean()
    .default(false)
    .meta({ description: 'with `state: absent`: delete it with its tables. Otherwise a database with tables is kept' }),
  cluster: clusterOption,
})

export type DatabaseSpec = z.output<typeof schema>

const found = z.object({ owner: z.string(), encoding: z.string(), collation: z.string(), ctype: z.string(), connectionLimit: z.number() })

type Found = Readonly<z.output<typeof found>>

/** A database, or undefined if the cluster does not have it. */
export interface KnownDatabase {
  readonly is: 'known'
  readonly database: Found | undefined
  /** Digest of the answer, empty for a database that does not exist. */
  readonly digest: string
  readonly hasOwner: boolean
  /** Number of tables, of a database that is declared absent. */
  readonly tables: number
}

export type DatabaseState = KnownDatabase | Unknown

const idOf = ({ name, cluster }: DatabaseSpec): string => within(cluster, name)

/** SQL of what the kind knows about a database. */
const databaseSql = (name: string): string =>
  `SELECT json_build_object('owner', pg_get_userbyid(datdba), 'encoding', pg_encoding_to_char(encoding), 'collation', datcollate, 'ctype', datctype, 'connectionLimit', datconnlimit) FROM pg_database WHERE datname = ${sqlText(name)}`

const TABLES = `SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p', 'f', 'm') AND relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_' OR nspname = 'information_schema')`

const questionsOf = (specs: readonly DatabaseSpec[]): string =>
  specs
    .map(
      ({ name, owner, state }, i) => `SELECT json_build_array('database', ${sqlText(name)}, (${databaseSql(name)})::text);
SELECT json_build_array('owner', ${sqlText(owner)}, EXISTS (SELECT 1 FROM pg_roles WHERE rolname = ${sqlText(owner)}));
${state === 'absent' ? inDatabase(name, i, `SELECT json_build_array('tables', ${sqlText(name)}, (${TABLES}));\n${connectTo('postgres')}`) : ''}`,
    )
    .join('')

const stateOf = ({ name, owner }: DatabaseSpec, rows: readonly Row[]): KnownDatabase => {
  const of = (sort: string, key: string): unknown => rows.find((row) => row[0] === sort && row[1] === key)?.[2]
  const text = of('database', name)
  if (text === undefined || of('owner', owner) === undefined) throw new Error(`psql did not report the database ${name}`)
  return {
    is: 'known',
    database: typeof text === 'string' ? found.parse(JSON.parse(text)) : undefined,
    digest: sha256Hex(typeof text === 'string' ? text : ''),
    hasOwner: of('owner', owner) === true,
    tables: Number(of('tables', name) ?? 0),
  }
}

const observe = (specs: readonly DatabaseSpec[]) => observeClusters(specs, { idOf, questionsOf, stateOf })

/** A database in a cluster of PostgreSQL. */
export const postgresqlDatabase = defineKind({
  name: 'postgresql-database',
  summary: 'database of PostgreSQL',
  schema,
  id: idOf,
  observe,

  plan: (spec, state: DatabaseState, context): Change | undefined => {
    if (state.is !== 'known') return planUnknown(state.is, spec.state, context)
    const { database, tables } = state
    if (spec.state === 'absent')
      return database === undefined || isKept(spec, state)
        ? undefined
        : { action: 'delete', certainty: 'exact', reason: `declared absent, with ${counted(tables, 'table')}`, differences: [] }
    const certainty = state.hasOwner ? 'exact' : 'dependent'
    if (database === undefined) return { action: 'create', certainty, reason: 'missing', differences: [] }
    const differences = differing({ owner: spec.owner, connectionLimit: spec.connectionLimit }, database)
    return differences.length === 0 ? undefined : { action: 'update', certainty, reason: describeDifferences(differences), differences }
  },

  forbids: (spec, state, context) => {
    const what = `postgresql-database ${idOf(spec)}`
    if (state.is !== 'known') return forbidUnknown(what, spec, state, context)
    if (spec.state === 'absent') return undefined
    const [difference] = state.database === undefined ? [] : fixedDifferences(spec, state.database)
    if (difference !== undefined)
      return new HostRefusal(
        `${what} has the ${difference.key} ${difference.from}`,
        `${difference.to} is declared, and the server cannot change it in an existing database`,
        `declare \`${difference.key}: ${difference.from}\`; or dump the database, delete it and run again`,
      )
    return state.hasOwner || context.changes(`postgresql-role:${within(spec.cluster, spec.owner)}`) || mayAppear(context)
      ? undefined
      : new HostRefusal(
          `owner of ${what} does not exist`,
          `the cluster has no role ${spec.owner}`,
          `declare the postgresql-role ${spec.owner} before it`,
        )
  },

  notices: (spec, state) => {
    if (state.is === 'standby') return [standbyNotice(`postgresql-database ${idOf(spec)}`)]
    return state.is === 'known' && spec.state === 'absent' && isKept(spec, state)
      ? [
          `postgresql-database ${idOf(spec)} is kept because it has ${counted(state.tables, 'table')}; set loseAllRows: true to delete it with its tables`,
        ]
      : []
  },

  orphan: { keep: 'it holds data; declare it with state: absent to delete it, in the options of its role or as a resource' },

  *apply(work: readonly Work<DatabaseSpec, DatabaseState>[]): Steps {
    const again = yield* observeAgain(observe, work)
    yield* inTurn(
      work.map((one) => ({ ...one, state: again.get(one.id) ?? one.state })),
      (one) => executeScript(one.spec.cluster, sqlOf(one)),
      {
        doing: 'changing PostgreSQL databases',
        failed: (id) => `postgresql-database ${id} not changed`,
        fix: 'correct the options of the database, or end what the server reports, then run again',
      },
    )
  },
})

/** A sentence about a resource that only the primary of the cluster can change. */
export const standbyNotice = (what: string): string => `${what} is not compared: this server is a standby and has what its primary has`

const isKept = ({ loseAllRows }: DatabaseSpec, { database, tables }: KnownDatabase): boolean =>
  database !== undefined && tables > 0 && !loseAllRows

/** Declared settings that differ, and that no server changes in an existing database. */
const fixedDifferences = ({ encoding, collation }: DatabaseSpec, database: Found) => {
  const normal = (locale: string): string => locale.toLowerCase().replace('utf-8', 'utf8')
  const locale = [database.collation, database.ctype].find((one) => collation !== undefined && normal(one) !== normal(collation))
  return [
    ...differing({ encoding }, database),
    ...(locale === undefined || collation === undefined ? [] : [{ key: 'collation', from: locale, to: collation }]),
  ]
}

const sqlOf = ({ spec, state, afterScripts }: Work<DatabaseSpec, DatabaseState>): string => {
  if (state.is !== 'known') return ''
  const [name, what] = [sqlName(spec.name), `postgresql-database ${idOf(spec)}`]
  // A database that was absent may be the work of a script of this run.
  const compare = state.database === undefined && afterScripts === true ? '' : compareSql(databaseSql(spec.name), state.digest, what)
  if (spec.state === 'absent') return `${compare}${spec.loseAllRows ? '' : refuseTables(spec.name)}DROP DATABASE IF EXISTS ${name};\n`
  const create = `CREATE DATABASE ${name} OWNER ${sqlName(spec.owner)} TEMPLATE ${sqlName(spec.template)} ENCODING ${sqlText(spec.encoding ?? ENCODING)} LC_COLLATE ${sqlText(spec.collation ?? COLLATION)} LC_CTYPE ${sqlText(spec.collation ?? COLLATION)}`
  const alter = [
    `ALTER DATABASE ${name} OWNER TO ${sqlName(spec.owner)};\n`,
    ...(spec.connectionLimit === undefined ? [] : [`ALTER DATABASE ${name} CONNECTION LIMIT ${spec.connectionLimit};\n`]),
  ].join('')
  // A database is created outside of a transaction; the server refuses one that exists.
  return state.database === undefined
    ? `${compare}SELECT ${sqlText(create)} WHERE NOT EXISTS (SELECT 1 FROM pg_database WHERE datname = ${sqlText(spec.name)}) \\gexec\n${alter}`
    : `BEGIN;\n${compare}${alter}COMMIT;\n`
}

/** Fails if the database has tables; their number may have been unknown at planning. */
const refuseTables = (name: string): string =>
  inDatabase(
    name,
    0,
    `DO ${sqlText(`BEGIN IF (${TABLES}) > 0 THEN RAISE EXCEPTION 'the database has tables'; END IF; END`)};\n${connectTo('postgres')}`,
  )
