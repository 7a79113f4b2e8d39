import { spawnSync } from 'node:child_process'
import { gunzipSync, gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import type { LocalFile } from '../../../src/resource/content.ts'
import { databaseDump, PART, type SeenDump, tablesIn } from '../../../src/resource/database-dump.ts'
import type { ShellStep } from '../../../src/resource/kind.ts'
import { UNKNOWN } from '../../../src/resource/mariadb.ts'
import { recorded, world } from './recorded.ts'

const local = (text: string | Buffer): LocalFile => {
  const bytes = gzipSync(text)
  return { type: 'local', path: '/p/backups/latest.sql.gz', sha256: 'd1', size: bytes.length, open: () => bytes }
}
const content = local(recorded('mariadb-dump'))
const spec = (more: object = {}) =>
  databaseDump({ name: 'backups/latest.sql.gz', content, me: 'web-01', servers: ['web-01'], ...more }).spec
const ALL = ['a-1.odd`name', 'a-1.t', 'b.t', 'b.u']

it('knows the tables of a dump', () => {
  expect(tablesIn(content)).toEqual(ALL)
})

it.each<[string, SeenDump, object, string | undefined]>([
  ['all are there', { tables: ALL, replacedBy: [] }, {}, undefined],
  ['one was dropped', { tables: ALL.slice(1), replacedBy: [] }, {}, 'create 1 tables are missing'],
  [
    'all shall be as they were',
    { tables: ALL.slice(1), replacedBy: [] },
    { loseRowsWrittenSince: true },
    'update replaces 3 tables as they are now',
  ],
  ['all were put back as they were', { tables: ALL, replacedBy: ['d1'] }, { loseRowsWrittenSince: true }, undefined],
  ['the server does not run', UNKNOWN, {}, 'update seen to when the server runs'],
])('plans what is missing: %s', (_, seen, more, expected) => {
  const verdict = databaseDump.kind.plan(spec(more), seen, world)
  expect(verdict && `${verdict.action} ${verdict.reason}`).toBe(expected)
})

it('brings back every table that is missing, and no other', () => {
  const seen: SeenDump = { tables: ['a-1.t'], replacedBy: [] }
  const verdict = { action: 'create', sure: 'exact', reason: '', differences: [] } as const
  const steps = databaseDump.kind.apply([{ id: 'latest', spec: spec(), seen, verdict }])
  const step = steps.next().value as ShellStep
  // A client that says what it is told, in place of the server's.
  const { stdout } = spawnSync('sh', ['-c', `T=$(mktemp -d); mariadb() { cat; }; ${step.script}; rm -rf "$T"`], { input: content.open() })
  expect([...stdout.toString().matchAll(/^CREATE TABLE (`.*`)/gm)].map(([, name]) => name)).toEqual(['`odd``name`', '`t`', '`u`'])
})

it('takes of a dump only the tables that are wanted', () => {
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
