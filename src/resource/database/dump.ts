import { gunzipSync } from 'node:zlib'
import { z } from 'zod'
import { firstNames } from '../../first-names.ts'
import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { type LocalFile, sha256Hex } from '../kind/content.ts'
import { counted } from '../kind/differences.ts'
import { type Change, defineKind, type KindQuery, type Work } from '../kind/kind.ts'
import { accountName, parentOf } from '../kind/path.ts'
import { type Answer, HostRefusal, requireSuccess, type Step, type Steps } from '../kind/step.ts'
import { yamlForms } from '../option/yaml-form.ts'
import { clientOf, clientWithin, defineBlocked, executeCommand, ifTableExists, queryScript, readRows } from './client.ts'
import { planUnknown, servers } from './database.ts'
import { type Flavour, flavourOf } from './flavour.ts'
import { DATA_MS, isLead, sqlText, UNKNOWN } from './mariadb.ts'

const isLocal = (value: unknown): value is LocalFile =>
  typeof value === 'object' && value !== null && 'type' in value && value.type === 'local'

const schema = z
  .strictObject({
    name: z
      .string()
      .min(1)
      .meta({ description: 'name of the dump, shown in the plan', examples: ['shop'] }),
    content: z
      .custom<LocalFile>(isLocal, 'must be a file of the project')
      .meta({ description: 'a compressed dump (.sql.gz) of the project, such as a decrypted backup' })
      .register(yamlForms, { form: 'local' }),
    loseRowsWrittenSince: z
      .boolean()
      .default(false)
      .meta({ description: 'replace existing tables too, with all rows written since; otherwise only missing tables are restored' }),
    through: z
      .strictObject({
        account: accountName.meta({ description: 'account of the host as which it runs', examples: ['provision-backup'] }),
        command: z.array(z.string().min(1)).min(1).meta({ description: 'program on the host, with its arguments' }),
        result: z
          .string()
          .min(1)
          .meta({ description: 'what the result is, shown in the plan', examples: ['the data of 12:00'] }),
      })
      .optional()
      .meta({
        description:
          'program that reads the dump and writes another one, which is restored instead, once. It runs as an account other than root',
      }),
    ...servers,
  })
  .transform((spec) => ({ ...spec, tables: tablesIn(spec.content) }))

export type DumpSpec = z.output<typeof schema>

/** Tables in the server, and the digests of dumps that replaced existing tables. */
export type DumpState = { readonly tables: readonly string[]; readonly replacedBy: readonly string[] } | typeof UNKNOWN

const RECORD = '/var/lib/provision/database-dumps'

const idOf = ({ name }: DumpSpec): string => name

const observeDumps = (specs: readonly DumpSpec[]): KindQuery<DumpState> => {
  const flavour = flavourOf(specs)
  return {
    shared: { texts: [RECORD] },
    script: tablesScript(flavour),
    parse: (stdout, answers) => {
      const tables = readTables(stdout, flavour)
      const state: DumpState = tables === undefined ? UNKNOWN : { tables, replacedBy: answers.texts.get(RECORD) ?? [] }
      return new Map(specs.map((spec) => [idOf(spec), state]))
    },
  }
}

/** Complete tables. A table whose restore was interrupted counts as missing. */
const readTables = (stdout: Buffer, flavour: Flavour): readonly string[] | undefined => {
  const rows = readRows(stdout, flavour)
  const cut = new Set(rows?.flatMap(([name = '', how]) => (how === 'cut' ? [name] : [])))
  return rows?.flatMap(([name = '', how]) => (how === undefined && name !== RESTORING && !cut.has(name) ? [name] : []))
}

/** A table that lists the tables being restored. It is in the server, so that every server of a cluster knows of an interrupted restore. */
const RESTORING = 'mysql.provision_restoring'

const tablesScript = (flavour: Flavour): Script =>
  queryScript(
    `${ifTableExists('provision_restoring', `SELECT name, 'cut' FROM ${RESTORING}`, flavour)}
SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) FROM information_schema.TABLES WHERE TABLE_TYPE = 'BASE TABLE';`,
    { flavour },
  )

/**
 * Marks the tables to restore, and prints them. Unless existing tables are to be replaced, a table that somebody created since the
 * observation is not missing any more: it is kept, as if it had been observed.
 */
const markRestoring = ({ loseRowsWrittenSince }: DumpSpec, names: readonly string[]): string => {
  const wanted = names.map((name, i) => `SELECT ${sqlText(name)}${i === 0 ? ' AS name' : ''}`).join(' UNION ALL ')
  const isThere = "BINARY CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) = BINARY wanted.name"
  const isMissing = `wanted.name IN (SELECT name FROM ${RESTORING}) OR NOT EXISTS (SELECT 1 FROM information_schema.TABLES WHERE ${isThere})`
  return `CREATE TABLE IF NOT EXISTS ${RESTORING} (name VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY) ENGINE=InnoDB;
REPLACE INTO ${RESTORING} SELECT name FROM (${wanted}) wanted${loseRowsWrittenSince ? '' : ` WHERE ${isMissing}`};
SELECT name FROM ${RESTORING} WHERE name IN (${names.map(sqlText).join(', ')});`
}

/** Restores missing tables of a server, or of all servers of a cluster, from a dump. */
export const databaseDump = defineKind({
  name: 'database-dump',
  summary: 'tables of MariaDB or MySQL, restored from a dump if they are missing',
  schema,
  id: idOf,

  observe: observeDumps,

  plan: (spec: DumpSpec, state: DumpState, context) => {
    if (!isLead(spec.me, spec.servers, context.members())) return undefined
    if (state === UNKNOWN) return planUnknown('present', context.packagesPending)
    if (spec.through !== undefined) return planThrough(spec, spec.through.result, state)
    const missing = missingIn(spec, state)
    const differences = [{ key: 'tables', to: abbreviated(missing) }]
    if (!spec.loseRowsWrittenSince)
      return missing.length === 0
        ? undefined
        : { action: 'create', certainty: 'exact', reason: `${counted(missing.length, 'table')} missing`, differences }
    if (state.replacedBy.includes(markOf(spec))) return undefined
    const replaced = spec.tables.length - missing.length
    return { action: 'update', certainty: 'exact', reason: `${counted(replaced, 'existing table')} to be replaced`, differences: [] }
  },

  // Restored rows belong to the database.
  orphan: { forget: true },

  *apply(work: readonly Work<DumpSpec, DumpState>[]): Steps {
    for (const { id, spec, state } of work) {
      // The server may have been started since the observation.
      const now =
        state === UNKNOWN ? readTables((yield { do: 'shell', script: tablesScript(spec.flavour) }).stdout, spec.flavour) : state.tables
      if (now === undefined)
        throw new HostRefusal(`${id} not restored`, 'the database server does not run', 'start the server, then run again')
      const tables = spec.through === undefined ? spec.tables : yield* transformed(spec, spec.through)
      const wanted = spec.loseRowsWrittenSince ? tables : tables.filter((name) => !now.includes(name))
      const part = spec.loseRowsWrittenSince ? sh`cat` : sh`awk ${PART} wanted="$T/wanted" -`
      // If the dump arrives incomplete, the shell still reads the rest of the input and can run further requests.
      const client = clientOf(spec.flavour)
      const script = sh`${defineBlocked(spec.flavour)}
printf '%s\\n' ${markRestoring(spec, wanted)} | ${executeCommand(client)} >"$T/wanted" || exit 1
{ gunzip -c${spec.through === undefined ? sh`` : sh` ${TRANSFORMED}/dump.sql.gz`} || : >"$T/cut"; } | ${part} | ${executeCommand(clientWithin(spec.flavour, DATA_MS / 1000, true))} && [ ! -e "$T/cut" ] && echo ${`DROP TABLE ${RESTORING}`} | ${executeCommand(client)} || exit 1
rm -f "$T/wanted"; ${isOnce(spec) ? recordScript(spec) : sh`:`}`
      const doing = `restoring ${counted(wanted.length, 'table')} from ${id}`
      const input = spec.through === undefined ? { input: spec.content.open() } : {}
      if (wanted.length > 0)
        requireSuccess(yield { do: 'shell', script: sh`{ ${script}\n}`, ...input, doing, withinMs: DATA_MS }, `${id} not restored`)
      else if (isOnce(spec)) requireSuccess(yield { do: 'shell', script: recordScript(spec) }, `${id} not recorded`)
      if (spec.through !== undefined) yield { do: 'shell', script: sh`rm -rf ${TRANSFORMED}` }
    }
  },
})

/** Directory of root for a transformed dump. */
const TRANSFORMED = '/var/lib/provision/database-dump'

/** Whether a dump is restored once, which is recorded. Otherwise it is restored whenever a table is missing. */
const isOnce = ({ loseRowsWrittenSince, through }: DumpSpec): boolean => loseRowsWrittenSince || through !== undefined

const markOf = ({ content, through }: DumpSpec): string =>
  through === undefined ? content.sha256 : sha256Hex(JSON.stringify([content.sha256, through.command]))

const recordScript = (spec: DumpSpec): Script => sh`mkdir -p ${parentOf(RECORD)} && printf '%s\\n' ${markOf(spec)} >>${RECORD}`

/** The change by a dump whose tables are known only after its transformation. */
const planThrough = (spec: DumpSpec, result: string, state: Exclude<DumpState, string>): Change | undefined => {
  if (state.replacedBy.includes(markOf(spec))) return undefined
  const replaces = spec.loseRowsWrittenSince
  const reason = replaces ? `all tables to be replaced by ${result}` : `missing tables to be restored from ${result}`
  const missing = missingIn(spec, state)
  const differences = replaces || missing.length === 0 ? [] : [{ key: 'tables', to: abbreviated(missing) }]
  return { action: replaces ? 'update' : 'create', certainty: 'dependent', reason, differences }
}

/** Transforms a dump on the host, as its account, and returns the tables of the result. */
function* transformed(
  spec: DumpSpec,
  { account, command, result }: NonNullable<DumpSpec['through']>,
): Generator<Step, readonly string[], Answer> {
  const script = sh`{ umask 077; rm -rf ${TRANSFORMED}; mkdir -p ${TRANSFORMED} || exit 1
setpriv --reuid=${account} --regid=${account} --init-groups --no-new-privs -- ${command} >${TRANSFORMED}/dump.sql.gz 9>&- || exit 1
gunzip -c ${TRANSFORMED}/dump.sql.gz | grep -a -e ${'^-- Current Database: '} -e ${'^-- Table structure for table '}
}`
  const doing = `making ${result}`
  const answer = requireSuccess(
    yield { do: 'shell', script, input: spec.content.open(), doing, withinMs: DATA_MS },
    `${spec.name} not restored`,
  )
  return tablesOf(answer.stdout.toString('latin1'))
}

const missingIn = ({ tables }: DumpSpec, { tables: there }: Exclude<DumpState, string>): readonly string[] =>
  tables.filter((name) => !there.includes(name))

const abbreviated = (names: readonly string[]): string => firstNames(names, 10)

/** The tables of a dump, as `database.table`, in its order. */
export const tablesIn = (content: LocalFile): readonly string[] => tablesOf(gunzipSync(content.open()).toString('latin1'))

const tablesOf = (dump: string): readonly string[] => {
  let database = ''
  return dump.split('\n').flatMap((line) => {
    const [, sort, name = ''] = /^-- (Current Database:|Table structure for table) `(.*)`$/.exec(line) ?? []
    if (sort === 'Current Database:') database = unquoted(name)
    return sort === 'Table structure for table' ? [`${database}.${unquoted(name)}`] : []
  })
}

const unquoted = (name: string): string => Buffer.from(name.replaceAll('``', '`'), 'latin1').toString()

/** Prints the header of a dump, the statements that select a database, and these tables. No line of a row begins with two dashes. */
export const PART = `
FNR == 1 && !known { known = 1; while ((getline line < wanted) > 0) want[line] = 1; on = 1 }
/^-- Current Database: / { database = substr($0, 23, length($0) - 23); gsub(/\`\`/, "\`", database); on = 1 }
/^-- Table structure for table / { table = substr($0, 31, length($0) - 31); gsub(/\`\`/, "\`", table); on = ((database "." table) in want) }
/^-- (Temporary (table|view) structure|Dumping events|Dumping routines|Final view structure)/ { on = 0 }
/^\\/\\*!4010[13] SET (TIME_ZONE|SQL_MODE|FOREIGN_KEY_CHECKS|UNIQUE_CHECKS)=@OLD/ { on = 1 }
on { print }
`
