import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { expect, it, onTestFinished } from 'vitest'
import { type DumpState, databaseDump, PART, tablesIn } from '../../../../src/resource/database/dump.ts'
import { UNKNOWN } from '../../../../src/resource/database/mariadb.ts'
import type { LocalFile } from '../../../../src/resource/kind/content.ts'
import type { ShellStep } from '../../../../src/resource/kind/step.ts'
import { NOTHING } from '../answers.ts'
import { context, recorded } from '../recorded.ts'

const local = (text: string | Buffer): LocalFile => {
  const bytes = gzipSync(text)
  return { type: 'local', path: '/p/backups/latest.sql.gz', sha256: 'd1', size: bytes.length, open: () => bytes }
}
const content = local(recorded('mariadb-dump'))
const spec = (more: object = {}) =>
  databaseDump({ name: 'backups/latest.sql.gz', content, me: 'web-01', servers: ['web-01'], ...more }).spec
const ALL = ['a-1.odd`name', 'a-1.t', 'b.t', 'b.u']

it('reads the tables of a dump', () => {
  expect(tablesIn(content)).toEqual(ALL)
})

it.each<[string, DumpState, object, string | undefined]>([
  ['all are there', { tables: ALL, replacedBy: [] }, {}, undefined],
  ['one was dropped', { tables: ALL.slice(1), replacedBy: [] }, {}, 'create 1 table missing'],
  [
    'all shall be as they were',
    { tables: ALL.slice(1), replacedBy: [] },
    { loseRowsWrittenSince: true },
    'update 3 existing tables to be replaced',
  ],
  ['all were put back as they were', { tables: ALL, replacedBy: ['d1'] }, { loseRowsWrittenSince: true }, undefined],
  ['the server does not run', UNKNOWN, {}, 'update server not running, checked once it runs'],
])('plans what is missing: %s', (_, state, more, expected) => {
  const change = databaseDump.kind.plan(spec(more), state, context)
  expect(change && `${change.action} ${change.reason}`).toBe(expected)
})

const exact = { action: 'create', certainty: 'exact', reason: '', differences: [] } as const
const stepsFor = (state: DumpState, more: object = {}) =>
  databaseDump.kind.apply([{ id: 'latest', spec: spec(more), state, change: exact }])

interface Told {
  readonly more?: object
  readonly client?: string
  readonly marked?: readonly string[]
}

/** A client that answers the marking with the tables that it has marked. */
const MARKS = `cat >"$T/in"; cat "$T/in" >>"$T/said"; if grep -q '^REPLACE' "$T/in"; then printf '%s\\n' "$MARKED"; fi`

/** The input of a client, for a server with these tables. */
const told = (tables: readonly string[], bytes: Uint8Array, { more = {}, client = MARKS, marked }: Told = {}) => {
  const { script } = stepsFor({ tables, replacedBy: [] }, more).next().value as ShellStep
  const place = mkdtempSync(join(tmpdir(), 'dump-'))
  onTestFinished(() => rmSync(place, { recursive: true }))
  writeFileSync(join(place, 'mariadb'), `#!/bin/sh\necho "$*" >>"$T/clients"\n${client}\n`, { mode: 0o755 })
  const text = String(script).replaceAll('/var/lib/provision', join(place, 'state'))
  const MARKED = (marked ?? ALL.filter((name) => !tables.includes(name))).join('\n')
  const { status } = spawnSync('sh', ['-c', text], { input: bytes, env: { T: place, MARKED, PATH: `${place}:${process.env.PATH}` } })
  const read = (name: string): string => (existsSync(join(place, name)) ? readFileSync(join(place, name), 'utf8') : '')
  return { status, said: read('said'), read }
}
const END = 'DROP TABLE mysql.provision_restoring\n'

it('restores exactly the missing tables, and lists them in the server meanwhile', () => {
  const { status, said } = told(['a-1.t'], content.open())
  expect([...said.matchAll(/^CREATE TABLE (`.*`)/gm)].map(([, name]) => name)).toEqual(['`odd``name`', '`t`', '`u`'])
  expect(said).toContain(
    "REPLACE INTO mysql.provision_restoring SELECT name FROM (SELECT 'a-1.odd`name' AS name UNION ALL SELECT 'b.t' UNION ALL",
  )
  expect({ status, isOver: said.endsWith(END) }).toEqual({ status: 0, isOver: true })
})

it('keeps a table that somebody created since the observation', () => {
  const { status, said } = told(['a-1.t'], content.open(), { marked: ['b.u'] })
  expect(status).toBe(0)
  expect([...said.matchAll(/^CREATE TABLE (`.*`)/gm)].map(([, name]) => name)).toEqual(['`u`'])
  expect(said).toContain('OR NOT EXISTS (SELECT 1 FROM information_schema.TABLES')
  expect(said).toContain("SELECT name FROM mysql.provision_restoring WHERE name IN ('a-1.odd`name', 'b.t', 'b.u');")
})

it('has a time limit of a day, also for the client, whose statements have no other', () => {
  expect(stepsFor({ tables: [], replacedBy: [] }).next().value).toMatchObject({
    do: 'shell',
    doing: 'restoring 4 tables from latest',
    withinMs: 24 * 3_600_000,
    input: content.open(),
  })
  const script = String((stepsFor({ tables: [], replacedBy: [] }).next().value as ShellStep).script)
  const [mark, restore] = [...script.matchAll(/alarm (\d+);.*?--init-command=(\S+ \S+)/g)].map(([, limit, sql]) => [limit, sql]).slice(-3)
  expect(mark).toEqual(['60', "'SET lock_wait_timeout=10,max_statement_time=40'"])
  expect(restore).toEqual(['86400', "'SET lock_wait_timeout=10'"])
})

it('keeps nothing on the host of a restore of missing tables', () => {
  const { read } = told([], content.open())
  expect([read('wanted'), read('state/database-dumps')]).toEqual(['', ''])
})

it('replaces all tables, and records that it did', () => {
  const { status, said, read } = told(ALL, content.open(), { more: { loseRowsWrittenSince: true }, marked: ALL })
  expect({ status, isOver: said.endsWith(END) }).toEqual({ status: 0, isOver: true })
  expect([...said.matchAll(/^CREATE TABLE (`.*`)/gm)]).toHaveLength(4)
  expect(said).toContain("SELECT 'a-1.odd`name' AS name UNION ALL SELECT 'a-1.t' UNION ALL SELECT 'b.t' UNION ALL SELECT 'b.u') wanted;")
  expect(said).not.toContain('OR NOT EXISTS')
  expect(read('state/database-dumps')).toBe('d1\n')
  expect(read('wanted')).toBe('')
})

it.each([
  ['the list of tables', '1', 1],
  ['the tables', '2', 2],
  ['the end of the list', '3', 3],
])('fails if the server refuses %s', (_, at, clients) => {
  const client = `cat >/dev/null; [ "$(wc -l <"$T/clients")" != ${at} ] || { echo ERROR >&2; exit 1; }`
  const { status, read } = told([], content.open(), { client, more: { loseRowsWrittenSince: true } })
  expect({ status, clients: read('clients').trim().split('\n').length }).toEqual({ status: 1, clients })
  expect(read('state/database-dumps')).toBe('')
})

it('asks a server again that did not run, and refuses one that still does not', () => {
  const steps = stepsFor(UNKNOWN)
  expect(steps.next().value).toMatchObject({ do: 'shell', script: databaseDump.kind.observe([spec()]).script })
  const { doing } = steps.next({ code: 0, stdout: Buffer.from('b.t\nb.u\nend\n'), stderr: '' }).value as ShellStep
  expect(doing).toBe('restoring 2 tables from latest')
  const again = stepsFor(UNKNOWN)
  again.next()
  expect(() => again.next({ code: 0, stdout: Buffer.from('down\n'), stderr: '' })).toThrow(
    'latest not restored: the database server does not run',
  )
  const refused = stepsFor({ tables: [], replacedBy: [] })
  refused.next()
  expect(() => refused.next({ code: 1, stdout: Buffer.from(''), stderr: 'ERROR 1' })).toThrow('latest not restored (exit 1): ERROR 1')
})

it('restores nothing if nothing is missing', () => {
  expect(stepsFor({ tables: ALL, replacedBy: [] }).next()).toEqual({ done: true, value: undefined })
})

it('names up to ten missing tables', () => {
  const tables = (count: number) => {
    const text = `-- Current Database: \`d\`\n${Array.from({ length: count }, (_, i) => `-- Table structure for table \`t${i}\`\n`).join('')}`
    return databaseDump.kind.plan(spec({ content: local(text) }), { tables: [], replacedBy: [] }, context)
  }
  const names = (count: number): string => Array.from({ length: count }, (_, i) => `d.t${i}`).join(', ')
  expect(tables(10)).toEqual({ ...exact, reason: '10 tables missing', differences: [{ key: 'tables', to: names(10) }] })
  expect(tables(12)?.differences).toEqual([{ key: 'tables', to: `${names(10)} and 2 more` }])
})

it('is planned on one server only, exact on one that runs', () => {
  const members = () => new Map([['web-01', {}]])
  const other = spec({ me: 'web-02', servers: ['web-01', 'web-02'] })
  expect(databaseDump.kind.plan(other, { tables: [], replacedBy: [] }, { ...context, members })).toBeUndefined()
  const replaced = databaseDump.kind.plan(spec({ loseRowsWrittenSince: true }), { tables: [], replacedBy: ['d0'] }, context)
  expect(replaced).toEqual({ ...exact, action: 'update', reason: '0 existing tables to be replaced' })
})

it('reads which dumps replaced existing tables', () => {
  const query = databaseDump.kind.observe([spec()])
  expect(query.shared?.texts).toEqual(['/var/lib/provision/database-dumps'])
  const texts = new Map([['/var/lib/provision/database-dumps', ['d0', 'd1']]])
  const read = (said: string) => query.parse(Buffer.from(said), { ...NOTHING, texts }).get('backups/latest.sql.gz')
  expect(read('b.t\nend\n')).toEqual({ tables: ['b.t'], replacedBy: ['d0', 'd1'] })
  expect(read('down\n')).toBe(UNKNOWN)
})

it('reads tables from comments of the dump only', () => {
  const lines = [
    '-- Current Database: `a``b`',
    'x -- Table structure for table `no`',
    '-- Table structure for table `ü` x',
    '-- Table structure for table `ü`',
  ]
  expect(tablesIn(local(lines.join('\n')))).toEqual(['a`b.ü'])
})

it('fails if the dump arrives incomplete', () => {
  const { status, said } = told([], content.open().subarray(0, -100))
  expect({ status, isOver: said.includes(END) }).toEqual({ status: 1, isOver: false })
})

it('counts a table as missing if its restore was interrupted', () => {
  const said = ['a-1.t\tcut', 'a-1.t', 'b.u', 'mysql.provision_restoring', 'end', ''].join('\n')
  const state = databaseDump.kind.observe([spec()]).parse(Buffer.from(said), { texts: new Map() } as never)
  expect(state.get('backups/latest.sql.gz')).toEqual({ tables: ['b.u'], replacedBy: [] })
})

it('extracts only the desired tables of a dump', () => {
  const part = (...wanted: readonly string[]) =>
    spawnSync(
      'sh',
      ['-c', 'w=$(mktemp); printf %s "$1" >"$w"; awk "$2" wanted="$w" -; rm -f "$w"', 'sh', wanted.map((one) => `${one}\n`).join(''), PART],
      {
        input: gunzipSync(content.open()),
      },
    ).stdout.toString()
  const one = part('b.t')
  expect(
    [...one.matchAll(/^(CREATE TABLE|INSERT INTO|USE|DROP TABLE IF EXISTS) (`.*?`)/gm)].map(([, what, name]) => `${what} ${name}`),
  ).toEqual(['USE `a-1`', 'USE `b`', 'DROP TABLE IF EXISTS `t`', 'CREATE TABLE `t`', 'INSERT INTO `t`', 'USE `a-1`', 'USE `b`'])
  expect(one).toMatch(/SET SQL_MODE=@OLD_SQL_MODE/)
  expect(part('a-1.odd`name')).toContain('INSERT INTO `odd``name`')
  // Neither views nor routines, and the settings of the session at both ends.
  const [first, last] = [one.split('\n').slice(0, 16), one.trimEnd().split('\n').slice(-12)]
  expect(first).toEqual(gunzipSync(content.open()).toString().split('\n').slice(0, 16))
  for (const name of ['TIME_ZONE', 'SQL_MODE', 'FOREIGN_KEY_CHECKS', 'UNIQUE_CHECKS'])
    expect(last.join('\n')).toContain(` SET ${name}=@OLD`)
  expect(one).not.toMatch(/CREATE (ALGORITHM|VIEW|PROCEDURE|DEFINER)|Dumping (events|routines)/)
  expect(part()).not.toMatch(/CREATE TABLE|INSERT/)
})

it('restores missing tables of a dump of MySQL, without its views, events and routines', () => {
  const dump = recorded('mysqldump', 'ubuntu-26.04')
  expect(tablesIn(local(dump))).toEqual(['shop.t', 'old.t'])
  const part = (wanted: string): string =>
    spawnSync('sh', ['-c', 'w=$(mktemp); echo "$1" >"$w"; awk "$2" wanted="$w" -; rm -f "$w"', 'sh', wanted, PART], {
      input: dump,
    }).stdout.toString()
  expect(
    [...part('shop.t').matchAll(/^(CREATE TABLE|INSERT INTO|\S*CREATE\S* \S+ (?:TRIGGER|EVENT|FUNCTION|VIEW)) (\S+)/gm)].map(
      (one) => one[2],
    ),
  ).toEqual([...['`t`', '`t`']])
  expect(part('shop.t')).toMatch(/TRIGGER `tr`/)
  expect(part('shop.t')).not.toMatch(/ VIEW |EVENT `e`|FUNCTION `f`/)
  expect(part('shop.t')).toContain(' SET SQL_MODE=@OLD_SQL_MODE')
  expect(part('old.t')).toContain('USE `old`;\n\n--\n-- Table structure for table `t`')
})

it.each([undefined, null, 'backups/latest.sql.gz', { type: 'text', parts: [] }, {}])('is a file of the project, not %j', (invalid) => {
  expect(() => spec({ content: invalid })).toThrow('must be a file of the project')
})
