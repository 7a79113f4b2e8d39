import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { forgetScript, receiveScript } from '../../../../roles/mysql/backup-script.ts'
import { type Place, place } from './stand-ins.ts'

const NAME = 'database-20260101T030000Z.sql.gz.age'
const BYTES = 'encrypted bytes\n'
const sum = (bytes: string): string => createHash('sha256').update(bytes).digest('hex')
const header = (name = NAME, size: number | string = BYTES.length, digest = sum(BYTES)): string => `${name} ${size} ${digest}\n`

/** Sends a backup to a store with these files; returns its answer. */
const send = (there: Place, text: string) => {
  mkdirSync(join(there.path, 'store'), { recursive: true })
  const { stdout } = there.run(receiveScript(join(there.path, 'store'), 30), { input: text })
  return { answer: stdout, files: readdirSync(join(there.path, 'store')).sort() }
}

const aged = (directory: string, names: Record<string, number>): void => {
  mkdirSync(directory, { recursive: true })
  for (const [name, days] of Object.entries(names)) {
    writeFileSync(join(directory, name), '')
    const at = Date.now() / 1000 - days * 86_400
    utimesSync(join(directory, name), at, at)
  }
}

it('a store keeps a backup whose size and sum are those that were announced', () => {
  const there = place()
  expect(send(there, `${header()}${BYTES}`)).toEqual({ answer: `stored ${NAME}\n`, files: [NAME] })
  expect(readFileSync(join(there.path, 'store', NAME), 'utf8')).toBe(BYTES)
})

it('a store writes a backup to the disk before it has its name, for its own account only', () => {
  const there = place()
  there.program('sync', 'echo "$*" >>"$PLACE/synced"; ls -A "$1" >>"$PLACE/listed"')
  send(there, `${header()}${BYTES}more than announced`)
  expect(readFileSync(join(there.path, 'store', NAME), 'utf8')).toBe(BYTES)
  expect((statSync(join(there.path, 'store', NAME)).mode & 0o777).toString(8)).toBe('600')
  expect(there.read('synced')).toMatch(/^\.incoming\.\w{8}\n\.\n$/)
  expect(there.read('listed')).toMatch(new RegExp(`^\\.incoming\\.\\w{8}\n${NAME}\n$`))
})

it.each([
  ['a file cannot be created', 'mktemp', 'no temporary file can be created\n'],
  ['it cannot be written to the disk', 'sync', 'the file could not be written\n'],
  ['it cannot get its name', 'mv', 'the file could not be written\n'],
])('a store says so if %s, and keeps nothing', (_, program, answer) => {
  const there = place()
  there.program(program, 'exit 1')
  expect(send(there, `${header()}${BYTES}`)).toEqual({ answer, files: [] })
})

it('a store that is not there, or gets nothing, answers nothing', () => {
  const there = place()
  expect(there.run(receiveScript(join(there.path, 'none'), 30), { input: header() })).toMatchObject({ status: 1, stdout: '' })
  expect(send(there, '')).toEqual({ answer: '', files: [] })
})

it.each([
  ['another sum', `${header(NAME, BYTES.length, sum('other'))}${BYTES}`, 'the checksum does not match'],
  ['no sum', `${NAME} ${BYTES.length}\n${BYTES}`, 'the checksum does not match'],
  ['fewer bytes than announced', `${header()}${BYTES.slice(0, 5)}`, 'the checksum does not match'],
  ['a size that is no number', `${header(NAME, '1x')}${BYTES}`, 'invalid size'],
  ['no size', `${NAME}\n`, 'invalid size'],
  ['a path', `${header('../database-1.sql.gz.age')}${BYTES}`, 'invalid file name'],
  ['a hidden name', `${header('.database-1.sql.gz.age')}${BYTES}`, 'invalid file name'],
  ['a name that is no backup', `${header('report.sql.gz.age')}${BYTES}`, 'invalid file name'],
  ['a name with another end', `${header('database-1.sql.gz')}${BYTES}`, 'invalid file name'],
  ['an option', `${header('--help')}${BYTES}`, 'invalid file name'],
])('a store keeps nothing that has %s', (_, text, answer) => {
  expect(send(place(), text)).toEqual({ answer: `${answer}\n`, files: [] })
})

it('a store never overwrites a backup', () => {
  const there = place()
  send(there, `${header()}${BYTES}`)
  expect(send(there, `${header(NAME, 2, sum('x\n'))}x\n`).answer).toBe('a backup with this name exists\n')
  expect(readFileSync(join(there.path, 'store', NAME), 'utf8')).toBe(BYTES)
})

it('a store deletes old backups and remains of interrupted transfers, and nothing else', () => {
  const there = place()
  aged(join(there.path, 'store'), {
    'database-1': 90,
    'database-2': 31,
    'database-3': 29,
    'notes.txt': 90,
    '.incoming.old': 2,
    '.incoming.new': 0.5,
  })
  send(there, `${header()}${BYTES}`)
  const { files } = send(there, `${header('database-20260102T030000Z.sql.gz.age')}${BYTES}`)
  expect(files).toEqual(['.incoming.new', NAME, 'database-20260102T030000Z.sql.gz.age', 'database-3', 'notes.txt'])
})

it.each<[string, Record<string, number>, string[]]>([
  [
    'keeps the three newest however old',
    { 'database-1': 400, 'database-2': 300, 'database-3': 200 },
    ['database-1', 'database-2', 'database-3'],
  ],
  [
    'deletes only what is older than the limit',
    { 'database-1': 32, 'database-2': 20, 'database-3': 3, 'database-4': 2, 'database-5': 1 },
    ['database-2', 'database-3', 'database-4', 'database-5'],
  ],
  [
    'counts only backups among the three',
    { 'database-1': 400, 'database-2': 40, 'database-3': 40, 'database-4': 40, 'zz-notes': 400 },
    ['database-2', 'database-3', 'database-4', 'zz-notes'],
  ],
])('a host that stores its own backups %s', (_, names, left) => {
  const there = place()
  aged(join(there.path, 'kept'), names)
  expect(there.run(forgetScript('kept', 30))).toMatchObject({ status: 0, stderr: '' })
  expect(readdirSync(join(there.path, 'kept')).sort()).toEqual(left)
})
