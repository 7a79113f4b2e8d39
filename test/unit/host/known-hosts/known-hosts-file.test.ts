import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readAuthorities, readKnownHosts, storeHostKeys } from '../../../../src/host/known-hosts/known-hosts-file.ts'
import type { Target } from '../../../../src/host/target/connection.ts'
import { problemOf } from '../../problem-of.ts'
import { scratch } from '../ssh/ssh-server.ts'

const key = (secret: string): Buffer => Buffer.concat([Buffer.from([0, 0, 0, 11]), Buffer.from('ssh-ed25519'), Buffer.from(secret)])
const line = (name: string, secret: string): string => `${name} ssh-ed25519 ${key(secret).toString('base64')}`
const targetWith = (knownHosts: readonly string[]): Target => ({
  ...{ name: 'web-01', address: 'web', port: 22, user: 'ops', keys: [], knownHosts, hostKeys: 'strict', jump: [] },
})

test('the entries of all files are read, and ignored lines are logged with their place', async () => {
  const directory = scratch()
  const [first = '', second = ''] = ['first', 'second'].map((name) => join(directory, name))
  writeFileSync(first, `${line('web', 'a')}\nweb\n`)
  writeFileSync(second, `@cert-authority ${line('*', 'b')}\n${line('db', 'c')}\n`)
  const log: string[] = []
  const entries = await readKnownHosts([first, join(directory, 'none'), second], (text) => log.push(text))
  expect(entries.map(({ file, line: at, names }) => [file, at, names])).toEqual([
    [first, 1, 'web'],
    [second, 2, 'db'],
  ])
  expect(log).toEqual([`${first}:2: ignored, not a known_hosts line`])
  expect((await readAuthorities([first, second])).map(({ file, line: at, names }) => [file, at, names])).toEqual([[second, 1, '*']])
  expect(await readKnownHosts([first, second])).toEqual(entries)
})

test.each([
  ['', ''],
  ['# mine', '# mine\n'],
  ['# mine\n', '# mine\n'],
])('a key is added to %j in a line of its own', async (before, kept) => {
  const file = join(scratch(), 'known_hosts')
  writeFileSync(file, before)
  expect(await storeHostKeys(targetWith([file]), [key('a'), key('b')])).toBe(file)
  const after = `${kept}${line('web', 'a')}\n${line('web', 'b')}\n`
  expect(readFileSync(file, 'utf8')).toBe(after)
  await storeHostKeys(targetWith([file]), [key('a')])
  expect(readFileSync(file, 'utf8')).toBe(after)
})

test('a file that cannot be read is an input problem, also for the next writer', async () => {
  const directory = scratch()
  const folder = join(directory, 'folder')
  mkdirSync(folder)
  const refused = {
    class: 'input',
    where: { file: folder },
    what: 'known_hosts cannot be read (EISDIR)',
    fix: 'replace it with a file that your account can read',
  }
  const file = join(directory, 'file')
  const [first, second] = [problemOf(storeHostKeys(targetWith([folder]), [key('a')])), storeHostKeys(targetWith([file]), [key('a')])]
  expect([await first, await second]).toMatchObject([refused, file])
  expect(await problemOf(readKnownHosts([file, folder]))).toMatchObject(refused)
  expect(await problemOf(storeHostKeys(targetWith([]), []))).toMatchObject({
    class: 'input',
    where: { host: 'web-01' },
    what: 'host has no known_hosts file to which its keys can be added',
    fix: 'set one in the inventory (known_hosts: path)',
  })
})

test('a known_hosts file that is a device or a pipe is not read, and /dev/null is empty', { timeout: 10_000 }, async () => {
  const pipe = join(scratch(), 'pipe')
  execFileSync('mkfifo', [pipe])
  for (const file of [pipe, '/dev/zero'])
    expect(await problemOf(readKnownHosts([file]))).toMatchObject({
      where: { file },
      what: 'known_hosts cannot be read (not a regular file)',
    })
  expect(await readKnownHosts(['/dev/null'])).toEqual([])
})
