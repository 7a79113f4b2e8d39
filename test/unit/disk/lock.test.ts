import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { lockFile } from '../../../src/disk/lock.ts'

let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'provision-t-lock-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const lock = (name = 'secrets.yaml') => lockFile(join(root, name), `inventory/${name}`, 'ann')
const file = (): string => join(root, '.secrets.yaml.lock')
const holder = (): Record<string, unknown> => JSON.parse(readFileSync(file(), 'utf8'))

test('a second command is refused, with the holder, the time and the way out', () => {
  const first = lock()
  const { since } = holder()
  expect(() => lock()).toThrow(
    expect.objectContaining({
      class: 'input',
      what: 'secrets.yaml is locked by another command',
      why: `ann on ${hostname()} has held the lock since ${since} (process ${process.pid})`,
      fix: expect.stringMatching(/rm .*\.secrets\.yaml\.lock$/),
    }),
  )
  first.release()
  expect(existsSync(file())).toBe(false)
  lock().release()
})

test('a link and its file share one lock', () => {
  writeFileSync(join(root, 'secrets.yaml'), '')
  symlinkSync('secrets.yaml', join(root, 'link.yaml'))
  const first = lock('link.yaml')
  expect(() => lock()).toThrow('is locked by another command')
  first.release()
})

test('the lock of a killed process is taken over, with its notes', { timeout: 60_000 }, async () => {
  const script = `import { lockFile } from ${JSON.stringify(join(import.meta.dirname, '../../../src/disk/lock.ts'))}
lockFile(${JSON.stringify(join(root, 'secrets.yaml'))}, 'x', 'bob').note('/dev/shm/scratch')
console.log('held')
setInterval(() => {}, 1000)`
  const other = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise((resolve) => other.stdout.once('data', resolve))
  expect(() => lock()).toThrow('is locked by another command')
  other.kill('SIGKILL')
  await new Promise((resolve) => other.once('close', resolve))
  const mine = lock()
  expect(mine.stale).toMatchObject({ user: 'bob', process: other.pid, scratch: '/dev/shm/scratch' })
  expect(holder()).toMatchObject({ user: 'ann', process: process.pid })
  mine.release()
})

test('a reused process number does not hold the lock', () => {
  lock()
  writeFileSync(file(), JSON.stringify({ ...holder(), born: 'another boot 1' }))
  const mine = lock()
  expect(mine.stale).toBeDefined()
  mine.release()
})

test.each([
  [
    'of another machine, which cannot be checked from here',
    (held: object) => JSON.stringify({ ...held, machine: 'elsewhere', process: 4_000_000 }),
  ],
  ['that is empty', () => ''],
  ['that is incomplete', () => '{"user":"ann"'],
  // The process of these has ended, if it is one.
  ...Object.entries({ user: 1, machine: undefined, born: null, since: 5, scratch: 5 }).map(
    ([key, value]): [string, (held: object) => string] => [
      `whose ${key} is ${value}`,
      (held) => JSON.stringify({ ...held, process: 4_000_000, [key]: value }),
    ],
  ),
  ...[0, -4_000_000, 1.5, '4000000'].map((process): [string, (held: object) => string] => [
    `of the process ${JSON.stringify(process)}`,
    (held) => JSON.stringify({ ...held, process }),
  ]),
])('a lock %s is never removed automatically', (_, change) => {
  lock()
  writeFileSync(file(), change(holder()))
  const before = readFileSync(file(), 'utf8')
  expect(() => lock()).toThrow('is locked by another command')
  expect(readFileSync(file(), 'utf8')).toBe(before)
})

test('a lock that another process took over stays', () => {
  const mine = lock()
  writeFileSync(file(), JSON.stringify({ ...holder(), user: 'bob', born: 'later' }))
  mine.note('/scratch')
  mine.release()
  expect(holder()).toMatchObject({ user: 'bob' })
  expect(holder().scratch).toBeUndefined()
})
