import { z } from 'zod'
import { sha256Hex } from '../kind/content.ts'
import { describeDifferences, differing } from '../kind/differences.ts'
import { type Change, defineKind, type PlanContext, type Work } from '../kind/kind.ts'
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
import { standbyNotice } from './database.ts'
import { observeClusters } from './observe.ts'
import { compareSql, connectTo, databaseName, inDatabase, objectName, sqlName, sqlText } from './sql.ts'

const schema = z.strictObject({
  database: databaseName,
  name: objectName.meta({ description: 'name of the extension', examples: ['pg_trgm'] }),
  state: z.enum(['present', 'absent']).default('present'),
  version: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/, 'must be a version of the extension such as 1.6')
    .optional()
    .meta({
      description: 'its version. Default: the one of the package for a new extension, and any for an existing one',
      examples: ['1.6'],
    }),
  schema: objectName.optional().meta({
    description: 'the schema of its objects, which must exist. Default: the one that the extension demands, or public',
    examples: ['public'],
  }),
  cluster: clusterOption,
})

export type ExtensionSpec = z.output<typeof schema>

const found = z.object({ version: z.string(), schema: z.string() })

type Found = Readonly<z.output<typeof found>>

export interface KnownExtension {
  readonly is: 'known'
  readonly hasDatabase: boolean
  readonly extension: Found | undefined
  /** Digest of the answer, empty for an extension that is not in the database. */
  readonly digest: string
  /** Versions that the packages of the host have. */
  readonly available: readonly string[]
}

export type ExtensionState = KnownExtension | Unknown

const idOf = ({ database, name, cluster }: ExtensionSpec): string => within(cluster, `${database}/${name}`)

const extensionSql = (name: string): string =>
  `SELECT json_build_object('version', extversion, 'schema', nspname) FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = ${sqlText(name)}`

/** SQL of the versions that the host has of an extension. The server reads its directory for each question. */
const availableSql = (names: readonly string[]): string =>
  `SELECT json_build_array('available', name, json_agg(version ORDER BY version)) FROM pg_available_extension_versions WHERE name IN (${names.map(sqlText).join(', ')}) GROUP BY name;\n`

const questionsOf = (specs: readonly ExtensionSpec[]): string => {
  const databases = [...Map.groupBy(specs, ({ database }) => database)]
  const inside = ([database, some]: (typeof databases)[number], i: number): string =>
    inDatabase(
      database,
      i,
      some
        .map(({ name }) => `SELECT json_build_array('extension', ${sqlText(database)}, ${sqlText(name)}, (${extensionSql(name)})::text);\n`)
        .join(''),
    )
  return `${availableSql([...new Set(specs.map(({ name }) => name))])}${databases.map(inside).join('')}`
}

const stateOf = ({ database, name }: ExtensionSpec, rows: readonly Row[]): KnownExtension => {
  const row = rows.find((one) => one[0] === 'extension' && one[1] === database && one[2] === name)
  const text = typeof row?.[3] === 'string' ? row[3] : undefined
  const available = rows.find((one) => one[0] === 'available' && one[1] === name)?.[2]
  return {
    is: 'known',
    hasDatabase: row !== undefined,
    extension: text === undefined ? undefined : found.parse(JSON.parse(text)),
    digest: sha256Hex(text ?? ''),
    available: Array.isArray(available) ? available.map(String) : [],
  }
}

const observe = (specs: readonly ExtensionSpec[]) => observeClusters(specs, { idOf, questionsOf, stateOf })

/** An extension of a database. */
export const postgresqlExtension = defineKind({
  name: 'postgresql-extension',
  summary: 'extension of a PostgreSQL database',
  schema,
  id: idOf,
  observe,

  plan: (spec, state: ExtensionState, context): Change | undefined => {
    if (state.is !== 'known') return planUnknown(state.is, spec.state, context)
    const { extension } = state
    if (spec.state === 'absent')
      return extension === undefined ? undefined : { action: 'delete', certainty: 'exact', reason: 'declared absent', differences: [] }
    const certainty = state.hasDatabase && isAvailable(spec, state) ? 'exact' : 'dependent'
    if (extension === undefined) return { action: 'create', certainty, reason: 'missing', differences: [] }
    const differences = differing({ version: spec.version, schema: spec.schema }, extension)
    return differences.length === 0 ? undefined : { action: 'update', certainty, reason: describeDifferences(differences), differences }
  },

  forbids: (spec, state, context) => {
    const what = `postgresql-extension ${idOf(spec)}`
    if (state.is !== 'known') return forbidUnknown(what, spec, state, context)
    if (spec.state === 'absent' || mayAppear(context)) return undefined
    if (!state.hasDatabase && !isDatabasePending(spec, context))
      return new HostRefusal(
        `database of ${what} does not exist`,
        `the cluster has no database ${spec.database}`,
        `declare the postgresql-database ${spec.database} before it`,
      )
    return isAvailable(spec, state)
      ? undefined
      : new HostRefusal(
          `${what} is not available${spec.version === undefined ? '' : ` in version ${spec.version}`}`,
          state.available.length === 0
            ? 'no installed package has this extension'
            : `the installed package has ${state.available.join(', ')}`,
          state.available.length === 0
            ? 'declare the package of the extension before it, such as postgresql-contrib'
            : 'correct `version`, or install a package that has it',
        )
  },

  notices: (spec, state) => (state.is === 'standby' ? [standbyNotice(`postgresql-extension ${idOf(spec)}`)] : []),

  contained: true,
  orphan: { keep: 'tables may use its types and functions; declare it with state: absent to delete it' },

  *apply(work: readonly Work<ExtensionSpec, ExtensionState>[]): Steps {
    const again = yield* observeAgain(observe, work)
    yield* inTurn(
      work.map((one) => ({ ...one, state: again.get(one.id) ?? one.state })),
      (one) => executeScript(one.spec.cluster, sqlOf(one)),
      {
        doing: 'changing PostgreSQL extensions',
        failed: (id) => `postgresql-extension ${id} not changed`,
        fix: 'correct the options of the extension, or delete what depends on it, then run again',
      },
    )
  },
})

const isDatabasePending = ({ cluster, database }: ExtensionSpec, context: PlanContext): boolean =>
  context.changes(`postgresql-database:${within(cluster, database)}`)

/** Whether the host has what the spec needs. An existing extension that does not change needs nothing. */
const isAvailable = ({ version }: ExtensionSpec, { extension, available }: KnownExtension): boolean =>
  version === undefined ? extension !== undefined || available.length > 0 : extension?.version === version || available.includes(version)

const sqlOf = ({ spec, state, afterScripts }: Work<ExtensionSpec, ExtensionState>): string => {
  if (state.is !== 'known') return ''
  const name = sqlName(spec.name)
  // A database or an extension that was absent may be the work of a script, or of an earlier resource of this run.
  const isNew = !state.hasDatabase || (state.extension === undefined && afterScripts === true)
  const compare = isNew ? '' : compareSql(extensionSql(spec.name), state.digest, `postgresql-extension ${idOf(spec)}`)
  const schema = spec.schema === undefined ? '' : ` SCHEMA ${sqlName(spec.schema)}`
  const version = spec.version === undefined ? undefined : sqlText(spec.version)
  const statements =
    spec.state === 'absent'
      ? [`DROP EXTENSION IF EXISTS ${name}`]
      : [
          // An extension that demands no schema takes the first of the path, which would be pg_catalog.
          ...(spec.schema === undefined ? ['SET LOCAL search_path = public'] : []),
          `CREATE EXTENSION IF NOT EXISTS ${name}${schema}${version === undefined ? '' : ` VERSION ${version}`}`,
          ...(spec.schema === undefined ? ['SET LOCAL search_path = pg_catalog'] : []),
          ...(version === undefined || state.extension?.version === spec.version ? [] : [`ALTER EXTENSION ${name} UPDATE TO ${version}`]),
          ...(spec.schema === undefined || state.extension === undefined || state.extension.schema === spec.schema
            ? []
            : [`ALTER EXTENSION ${name} SET SCHEMA ${sqlName(spec.schema)}`]),
        ]
  return `${connectTo(spec.database)}\nBEGIN;\n${compare}${statements.map((one) => `${one};\n`).join('')}COMMIT;\n`
}
