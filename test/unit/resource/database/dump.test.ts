import { spawnSync } from 'node:child_process'
import { gunzipSync, gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { type DumpState, databaseDump, PART, tablesIn } from '../../../../src/resource/database/dump.ts'
import { UNKNOWN } from '../../../../src/resource/database/mariadb.ts'
import type { LocalFile } from '../../../../src/resource/kind/content.ts'
import type { ShellStep } from '../../../../src/resource/kind/step.ts'
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

/** What the server is told, by a client that only says so, when it has these tables and so much of the dump comes. */
const told = (tables: readonly string[], bytes: Uint8Array) => {
  const change = { action: 'create', certainty: 'exact', reason: '', differences: [] } as const
  const steps = databaseDump.kind.apply([{ id: 'latest', spec: spec(), state: { tables, replacedBy: [] }, change }])
  const { script } = steps.next().value as ShellStep
  const client = `printf '#!/bin/sh\\ncat\\n' >"$T/mariadb"; chmod 755 "$T/mariadb"; PATH="$T:$PATH"`
  const { status, stdout } = spawnSync('sh', ['-c', `T=$(mktemp -d); ${client}; (${script}); c=$?; rm -rf "$T"; exit $c`], { input: bytes })
  return { status, said: stdout.toString() }
}
const END = 'DROP TABLE mysql.provision_restoring\n'

it('restores exactly the missing tables, and lists them in the server meanwhile', () => {
  const { status, said } = told(['a-1.t'], content.open())
  expect([...said.matchAll(/^CREATE TABLE (`.*`)/gm)].map(([, name]) => name)).toEqual(['`odd``name`', '`t`', '`u`'])
  expect(said).toContain("REPLACE INTO mysql.provision_restoring VALUES ('a-1.odd`name'), ('b.t'), ('b.u');")
  expect({ status, isOver: said.endsWith(END) }).toEqual({ status: 0, isOver: true })
})

it('has a time limit of a day', () => {
  const change = { action: 'create', certainty: 'exact', reason: '', differences: [] } as const
  const steps = databaseDump.kind.apply([{ id: 'latest', spec: spec(), state: { tables: [], replacedBy: [] }, change }])
  expect(steps.next().value).toMatchObject({ withinMs: 24 * 3_600_000 })
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
})

it.each([undefined, null, 'backups/latest.sql.gz', { type: 'text', parts: [] }, {}])('is a file of the project, not %j', (invalid) => {
  expect(() => spec({ content: invalid })).toThrow('must be a file of the project')
})
