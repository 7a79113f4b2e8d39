import { createHash } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'

type Row = Readonly<Record<string, string | number | null>>

/** Value at a path such as `$.ssl_type` in JSON, as MariaDB's JSON_VALUE returns it. */
const valueAt = (json: unknown, path: unknown): string | number | null => {
  const value = (JSON.parse(String(json)) as Record<string, unknown>)[String(path).replace('$.', '')]
  if (value === undefined || value === null || typeof value === 'object') return null
  return typeof value === 'number' ? value : String(value)
}

/** A pattern without the class names of POSIX. */
const bracketed = (pattern: unknown): string => String(pattern).replace('[[:space:]]', '\\s')

/**
 * Answers queries of MariaDB's own tables (`mysql.global_priv`) by SQLite, with the functions of MariaDB that the queries use. It does not
 * know everything that MariaDB knows, but joins, conditions and columns are the same.
 */
export const answersOf = (tables: Readonly<Record<string, readonly Row[]>>, sql: string): readonly (readonly string[])[] => {
  const db = new DatabaseSync(':memory:', { enableDoubleQuotedStringLiterals: true })
  const define = (name: string, run: (...values: unknown[]) => string | number | null): void =>
    db.function(name, { varargs: true }, (...values: unknown[]) => run(...values) as never)
  define('CONCAT', (...all) => (all.includes(null) ? null : all.join('')))
  define('CONCAT_WS', (between, ...all) => all.filter((one) => one !== null).join(String(between)))
  define('QUOTE', (text) => `'${text}'`)
  define('JSON_VALUE', valueAt)
  define('JSON_EXISTS', (json, path) => (String(path).replace('$.', '') in JSON.parse(String(json)) ? 1 : 0))
  define('JSON_EXTRACT', (json, path) => (json === null ? null : valueAt(json, path)))
  define('SHA2', (text) => createHash('sha256').update(String(text)).digest('hex'))
  define('GREATEST', (...all) => Math.max(...all.map(Number)))
  define('NOW', () => 1000)
  define('CONNECTION_ID', () => 99)
  define('TIMESTAMPDIFF', (_, from, to) => Number(to) - Number(from))
  define('REGEXP_REPLACE', (text, pattern, by) =>
    text === null ? null : String(text).replaceAll(RegExp(bracketed(pattern), 'g'), String(by)),
  )
  define('REGEXP_SUBSTR', (text, pattern) => (text === null ? null : (RegExp(bracketed(pattern)).exec(String(text))?.[0] ?? '')))
  define('IF', (condition, then, otherwise) => (condition ? then : otherwise) as string)
  for (const schema of ['mysql', 'information_schema', 'performance_schema']) db.exec(`ATTACH ':memory:' AS ${schema}`)
  for (const [table, rows] of Object.entries(tables)) {
    const columns = Object.keys(rows[0] ?? {})
    db.exec(`CREATE TABLE ${table} (${columns.map((column) => `"${column}"`).join(', ')})`)
    const insert = db.prepare(`INSERT INTO ${table} VALUES (${columns.map(() => '?').join(', ')})`)
    for (const row of rows) insert.run(...columns.map((column) => row[column] ?? null))
  }
  return sql
    .split(/;\s*(?:\n|$)/)
    .filter((statement) => statement.trim() !== '')
    .flatMap((statement) => {
      const prepared = db.prepare(statement)
      prepared.setReturnArrays(true)
      return (prepared.all() as unknown as unknown[][]).map((row) => row.map(String))
    })
}
