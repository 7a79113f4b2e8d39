import { gunzipSync } from 'node:zlib'
import { z } from 'zod'
import { quote } from '../../shell/quote.ts'
import type { LocalFile } from '../kind/content.ts'
import { defineKind, type KindQuery, type Work } from '../kind/kind.ts'
import { parentOf } from '../kind/path.ts'
import { HostRefusal, requireSuccess, type Steps } from '../kind/step.ts'
import { DEFINE_BLOCKED, executeCommand, ifTableExists, mariadbWithin, queryScript, readRows } from './client.ts'
import { planUnknown, servers } from './database.ts'
import { DATA_MS, isLead, sqlText, UNKNOWN } from './mariadb.ts'

const isLocal = (value: unknown): value is LocalFile =>
  typeof value === 'object' && value !== null && 'type' in value && value.type === 'local'

const schema = z
  .strictObject({
    /** What it is called, in the project. */
    name: z.string().min(1),
    /** A compressed dump (`.sql.gz`) of the project, as backups are once they are decrypted. */
    content: z.custom<LocalFile>(isLocal, 'must be a file of the project'),
    /** All of it, in place of what is there; without, only tables that are missing. */
    loseRowsWrittenSince: z.boolean().default(false),
    ...servers,
  })
  .transform((spec) => ({ ...spec, tables: tablesIn(spec.content) }))

export type DumpSpec = z.output<typeof schema>

/** Which of the dump's tables are in the server, and the digests of dumps that replaced everything; or that the server does not run. */
export type DumpState = { readonly tables: readonly string[]; readonly replacedBy: readonly string[] } | typeof UNKNOWN

const RECORD = '/var/lib/provision/database-dumps'

const idOf = ({ name }: DumpSpec): string => name

const observeDumps = (specs: readonly DumpSpec[]): KindQuery<DumpState> => ({
  shared: { texts: [RECORD] },
  script: TABLES_SCRIPT,
  parse: (stdout, answers) => {
    const tables = readTables(stdout)
    const state: DumpState = tables === undefined ? UNKNOWN : { tables, replacedBy: answers.texts.get(RECORD) ?? [] }
    return new Map(specs.map((spec) => [idOf(spec), state]))
  },
})

/** Tables that are there as a whole: one whose bringing back was cut off is missing. */
const readTables = (stdout: Buffer): readonly string[] | undefined => {
  const rows = readRows(stdout)
  const cut = new Set(rows?.flatMap(([name = '', how]) => (how === 'cut' ? [name] : [])))
  return rows?.flatMap(([name = '', how]) => (how === undefined && name !== RESTORING && !cut.has(name) ? [name] : []))
}

/**
 * Names the tables that are being brought back, for as long as they are. It is in the server, not on a disk beside it, so that whichever
 * server is asked the next time knows it.
 */
const RESTORING = 'mysql.provision_restoring'

const TABLES_SCRIPT = queryScript(`${ifTableExists('provision_restoring', `SELECT name, 'cut' FROM ${RESTORING}`)}
SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) FROM information_schema.TABLES WHERE TABLE_TYPE = 'BASE TABLE';`)

const markRestoring = (names: readonly string[]): string =>
  `CREATE TABLE IF NOT EXISTS ${RESTORING} (name VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY) ENGINE=InnoDB;
REPLACE INTO ${RESTORING} VALUES ${names.map((name) => `(${sqlText(name)})`).join(', ')};`

/** The tables of a dump that are missing in a server, or in all servers of a cluster, are brought back from it. */
export const databaseDump = defineKind({
  name: 'database-dump',
  schema,
  id: idOf,

  observe: observeDumps,

  plan: (spec: DumpSpec, state: DumpState, context) => {
    if (!isLead(spec.me, spec.servers, context.members())) return undefined
    if (state === UNKNOWN) return planUnknown('present', context.packagesPending)
    const missing = missingIn(spec, state)
    const differences = [{ key: 'tables', to: abbreviated(missing) }]
    if (!spec.loseRowsWrittenSince)
      return missing.length === 0
        ? undefined
        : { action: 'create', certainty: 'exact', reason: `${missing.length} tables are missing`, differences }
    if (state.replacedBy.includes(spec.content.sha256)) return undefined
    const replaced = spec.tables.length - missing.length
    return { action: 'update', certainty: 'exact', reason: `replaces ${replaced} tables as they are now`, differences: [] }
  },

  // The rows that it restored are the database's own.
  orphan: { forget: true },

  *apply(work: readonly Work<DumpSpec, DumpState>[]): Steps {
    for (const { id, spec, state } of work) {
      // Where the server did not run when it was looked at, it does now.
      const now = state === UNKNOWN ? readTables((yield { do: 'shell', script: TABLES_SCRIPT }).stdout) : state.tables
      if (now === undefined) throw new HostRefusal(`${id} is not brought back`, 'the server does not run')
      const wanted = spec.loseRowsWrittenSince ? spec.tables : spec.tables.filter((name) => !now.includes(name))
      const part = spec.loseRowsWrittenSince ? 'cat' : `awk ${quote(PART)} wanted="$T/wanted" -`
      // Where only a part of the dump comes, the shell reads its end all the same, and goes on.
      const script = `${DEFINE_BLOCKED}
printf '%s\\n' ${wanted.map(quote).join(' ')} >"$T/wanted" && printf '%s\\n' ${quote(markRestoring(wanted))} | ${executeCommand()} || exit 1
{ gunzip -c || : >"$T/cut"; } | ${part} | ${executeCommand(mariadbWithin(DATA_MS / 1000, true))} && [ ! -e "$T/cut" ] && echo 'DROP TABLE ${RESTORING}' | ${executeCommand()} || exit 1
${spec.loseRowsWrittenSince ? `mkdir -p ${parentOf(RECORD)} && printf '%s\\n' ${spec.content.sha256} >>${RECORD}` : ':'}; rm -f "$T/wanted"`
      const doing = `bringing back ${wanted.length} tables from ${id}`
      if (wanted.length > 0)
        requireSuccess(
          yield { do: 'shell', script: `{ ${script}\n}`, input: spec.content.open(), doing, withinMs: DATA_MS },
          `${id} could not be brought back`,
        )
    }
  },
})

const missingIn = ({ tables }: DumpSpec, { tables: there }: Exclude<DumpState, string>): readonly string[] =>
  tables.filter((name) => !there.includes(name))

const abbreviated = (names: readonly string[]): string =>
  names.length > 10 ? `${names.slice(0, 10).join(', ')} and ${names.length - 10} more` : names.join(', ')

/** The tables of a dump, as `database.table`, in its order. */
export const tablesIn = (content: LocalFile): readonly string[] => {
  let database = ''
  return gunzipSync(content.open())
    .toString('latin1')
    .split('\n')
    .flatMap((line) => {
      const [, sort, name = ''] = /^-- (Current Database:|Table structure for table) `(.*)`$/.exec(line) ?? []
      if (sort === 'Current Database:') database = unquoted(name)
      return sort === 'Table structure for table' ? [`${database}.${unquoted(name)}`] : []
    })
}

const unquoted = (name: string): string => Buffer.from(name.replaceAll('``', '`'), 'latin1').toString()

/** Of a dump, what comes before everything, what chooses a database, and these tables. In the rows, no line begins with two dashes. */
export const PART = `
FNR == 1 && !known { known = 1; while ((getline line < wanted) > 0) want[line] = 1; on = 1 }
/^-- Current Database: / { database = substr($0, 23, length($0) - 23); gsub(/\`\`/, "\`", database); on = 1 }
/^-- Table structure for table / { table = substr($0, 31, length($0) - 31); gsub(/\`\`/, "\`", table); on = ((database "." table) in want) }
/^-- (Temporary table structure|Dumping events|Dumping routines|Final view structure)/ { on = 0 }
/^\\/\\*!4010[13] SET (TIME_ZONE|SQL_MODE|FOREIGN_KEY_CHECKS|UNIQUE_CHECKS)=@OLD/ { on = 1 }
on { print }
`
