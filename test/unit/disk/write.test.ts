import { execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { storePlan } from '../../../src/cli/plan-file.ts'
import { append } from '../../../src/disk/append.ts'
import { openFolderBelow } from '../../../src/disk/folder.ts'
import { readPlain } from '../../../src/disk/read.ts'
import { writeIn, writeInPieces, writeWhole } from '../../../src/disk/write.ts'
import { problemOf } from '../problem-of.ts'

const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'provision-t-disk-')))
let root = ''
let number = 0
beforeEach(() => {
  root = join(scratch, String(number++))
  mkdirSync(root)
})
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const at = (name: string): string => join(root, name)
const text = (name: string): string => readFileSync(at(name), 'utf8')
const modeOf = (name: string): string => (statSync(at(name)).mode & 0o7777).toString(8)
const isRoot = process.getuid?.() === 0
const NOBODY = 65_534

describe('a file that provision writes', () => {
  test.each([0o000, 0o022, 0o077])('has the requested mode under the umask %o', (umask) => {
    const before = process.umask(umask)
    try {
      writeWhole(at('keys/secret'), 'x', { mode: 0o600, directory: 0o700 })
      writeWhole(at('public'), 'x', { mode: 0o644 })
    } finally {
      process.umask(before)
    }
    expect([modeOf('keys/secret'), modeOf('keys'), modeOf('public')]).toEqual(['600', '700', '644'])
  })

  test('can arrive in pieces, and has its name when the last one is there', () => {
    writeFileSync(at('fetched'), 'old')
    const part = writeInPieces(at('fetched'), { mode: 0o600 })
    for (const piece of ['a', '', 'bc']) part.write(Buffer.from(piece))
    expect(text('fetched')).toBe('old')
    part.finish()
    part.close()
    expect([text('fetched'), modeOf('fetched'), readdirSync(root)]).toEqual(['abc', '600', ['fetched']])
    const broken = writeInPieces(at('fetched'), { mode: 0o600 })
    broken.write(Buffer.from('half'))
    broken.close()
    expect([text('fetched'), readdirSync(root)]).toEqual(['abc', ['fetched']])
  })

  test('is not written through links at predictable names', () => {
    writeFileSync(at('victim'), 'mine')
    for (const suffix of ['.new', '.tmp', '~', '.swp']) symlinkSync('victim', at(`plan.json${suffix}`))
    storePlan(root, 'plan.json', 'plan')
    expect([text('victim'), text('plan.json'), modeOf('plan.json')]).toEqual(['mine', 'plan', '600'])
  })

  test('does not keep the loose mode of a replaced file', () => {
    writeFileSync(at('plan.json'), 'old')
    chmodSync(at('plan.json'), 0o666)
    storePlan(root, 'plan.json', 'plan')
    expect(modeOf('plan.json')).toBe('600')
  })

  test('keeps mode, owner and group on request, without write permission of others', () => {
    writeFileSync(at('shared'), 'old')
    chmodSync(at('shared'), 0o666)
    if (isRoot) chownSync(at('shared'), NOBODY, NOBODY)
    writeWhole(at('shared'), 'new', { mode: 0o600, keepsMode: true })
    writeWhole(at('fresh'), 'new', { mode: 0o600, keepsMode: true })
    expect([modeOf('shared'), modeOf('fresh')]).toEqual(['664', '600'])
    if (isRoot) expect(statSync(at('shared'))).toMatchObject({ uid: NOBODY, gid: NOBODY })
  })

  test.runIf(isRoot)('gives no access to another group, where the group cannot be kept', () => {
    chmodSync(scratch, 0o755)
    writeFileSync(at('shared'), 'old')
    chmodSync(at('shared'), 0o775)
    chownSync(at('shared'), NOBODY, 0)
    chownSync(root, NOBODY, NOBODY)
    const groups = process.getgroups?.() ?? []
    process.setgroups?.([])
    process.setegid?.(NOBODY)
    process.seteuid?.(NOBODY)
    try {
      writeWhole(at('shared'), 'new', { mode: 0o600, keepsMode: true })
    } finally {
      process.seteuid?.(0)
      process.setegid?.(0)
      process.setgroups?.(groups)
    }
    expect([text('shared'), modeOf('shared'), statSync(at('shared')).gid]).toEqual(['new', '705', NOBODY])
  })

  test('stays unchanged with onlyNew', () => {
    expect(writeWhole(at('one'), 'first', { mode: 0o600, onlyNew: true })).toBe(true)
    expect(writeWhole(at('one'), 'second', { mode: 0o600, onlyNew: true })).toBe(false)
    expect([text('one'), readdirSync(root)]).toEqual(['first', ['one']])
  })

  test('is complete whenever the writer is killed, and temporary files are removed later', { timeout: 60_000 }, async () => {
    const one = 'a'.repeat(300_000)
    const two = 'b'.repeat(300_000)
    writeFileSync(at('file'), one)
    const script = `import { writeWhole } from ${JSON.stringify(join(import.meta.dirname, '../../../src/disk/write.ts'))}
console.log('writing')
for (;;) for (const letter of 'ab') writeWhole(${JSON.stringify(at('file'))}, letter.repeat(300_000), { mode: 0o600 })`
    for (let round = 0; round < 8; round++) {
      const writer = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
      await new Promise((resolve) => writer.stdout.once('data', resolve))
      await sleep(Math.random() * 20)
      writer.kill('SIGKILL')
      await new Promise((resolve) => writer.once('close', resolve))
      expect([one, two].includes(text('file'))).toBe(true)
    }
    for (const name of ['.provision-0123456789abcdef.tmp.mine', 'x.provision-0123456789abcdef.tmp', '.provision-0123456789abcde.tmp']) {
      writeFileSync(at(name), 'of the user')
    }
    const hourAgo = Date.now() / 1000 - 3700
    for (const name of readdirSync(root)) utimesSync(at(name), hourAgo, hourAgo)
    writeFileSync(at('.provision-0123456789abcdef.tmp'), 'of another, at work')
    writeFileSync(at('.provision-notes.tmp'), 'of the user')
    writeWhole(at('file'), 'new', { mode: 0o600 })
    expect(readdirSync(root).toSorted()).toEqual([
      ...['.provision-0123456789abcde.tmp', '.provision-0123456789abcdef.tmp', '.provision-0123456789abcdef.tmp.mine'],
      ...['.provision-notes.tmp', 'file', 'x.provision-0123456789abcdef.tmp'],
    ])
  })
})

describe('a target that is a symbolic link', () => {
  test('of this account is followed, for dotfile managers; the link stays', () => {
    mkdirSync(at('dotfiles'))
    writeFileSync(at('dotfiles/known_hosts'), 'a\n')
    symlinkSync('dotfiles/known_hosts', at('known_hosts'))
    symlinkSync('known_hosts', at('again'))
    append(at('again'), 'b\n', { mode: 0o600 })
    writeWhole(at('again'), `${text('dotfiles/known_hosts')}c\n`, { mode: 0o600 })
    expect(text('dotfiles/known_hosts')).toBe('a\nb\nc\n')
    expect(lstatSync(at('known_hosts')).isSymbolicLink()).toBe(true)
    expect(readdirSync(root).toSorted()).toEqual(['again', 'dotfiles', 'known_hosts'])
  })

  test('of this account to a missing file creates that file', () => {
    mkdirSync(at('dotfiles'))
    symlinkSync('dotfiles/known_hosts', at('known_hosts'))
    append(at('known_hosts'), 'a\n', { mode: 0o600 })
    expect([text('dotfiles/known_hosts'), modeOf('dotfiles/known_hosts')]).toEqual(['a\n', '600'])
  })

  test.runIf(isRoot)('of another account is refused by name', async () => {
    writeFileSync(at('victim'), 'mine')
    symlinkSync('victim', at('plan.json'))
    lchownSync(at('plan.json'), NOBODY, NOBODY)
    for (const act of [() => storePlan(root, 'plan.json', 'x'), () => append(at('plan.json'), 'x', { mode: 0o600 })]) {
      expect(await problemOf(act)).toMatchObject({ class: 'input', why: expect.stringContaining('symbolic link of nobody') })
    }
    expect(text('victim')).toBe('mine')
  })

  test.each([
    ['a directory', () => mkdirSync(at('x'))],
    ['a named pipe', () => execFileSync('mkfifo', [at('x')])],
    ['a link to itself', () => symlinkSync('x', at('x'))],
  ])('%s is refused without waiting', async (_, make) => {
    make()
    expect((await problemOf(() => writeWhole(at('x'), 'x', { mode: 0o600 }))).class).toBe('input')
    expect((await problemOf(() => append(at('x'), 'x', { mode: 0o600 }))).class).toBe('input')
  })
})

describe('appended lines', () => {
  test('begin a file that is missing, and its directories on request', () => {
    append(at('.ssh/new/known_hosts'), 'a\n', { mode: 0o600, directory: 0o700 })
    append(at('.ssh/new/known_hosts'), 'b\n', { mode: 0o644, directory: 0o755 })
    expect([text('.ssh/new/known_hosts'), ...['.ssh', '.ssh/new', '.ssh/new/known_hosts'].map(modeOf)]).toEqual([
      'a\nb\n',
      '700',
      '700',
      '600',
    ])
    expect(() => append(at('no/known_hosts'), 'a\n', { mode: 0o600 })).toThrow('known_hosts cannot be written (ENOENT)')
  })

  test('keep concurrent lines, the mode and the inode of the file', { timeout: 60_000 }, async () => {
    writeFileSync(at('known_hosts'), '')
    chmodSync(at('known_hosts'), 0o644)
    const { ino } = statSync(at('known_hosts'))
    const script = `import { append } from ${JSON.stringify(join(import.meta.dirname, '../../../src/disk/append.ts'))}
for (let i = 0; i < 100; i++) append(${JSON.stringify(at('known_hosts'))}, process.argv[1].repeat(50) + '\\n', { mode: 0o600 })`
    const writers = ['a', 'b', 'c'].map((letter) =>
      spawn(process.execPath, ['--input-type=module', '-e', script, letter], { stdio: 'inherit' }),
    )
    await Promise.all(writers.map((writer) => new Promise((resolve) => writer.once('close', resolve))))
    const lines = text('known_hosts').trimEnd().split('\n')
    expect(lines.length).toBe(300)
    expect(lines.filter((line) => !/^(a{50}|b{50}|c{50})$/.test(line))).toEqual([])
    expect([modeOf('known_hosts'), statSync(at('known_hosts')).ino]).toEqual(['644', ino])
  })
})

describe.runIf(isRoot)('root in the directory of another account', () => {
  const owner = { uid: NOBODY, gid: NOBODY }
  const write = (name: string, contents: string): void => {
    const folder = openFolderBelow(root, ['.provision', 'lab'], owner)
    try {
      writeIn(folder, name, contents, { mode: 0o600, owner })
    } finally {
      folder.close()
    }
  }

  test('creates files and directories of that account', () => {
    write('key', 'x')
    for (const name of ['.provision', '.provision/lab', '.provision/lab/key']) expect(statSync(at(name))).toMatchObject(owner)
    expect(modeOf('.provision/lab/key')).toBe('600')
  })

  test('follows no link in the path, and changes no owner behind one', () => {
    mkdirSync(at('roots'))
    mkdirSync(at('.provision'))
    symlinkSync('../roots', at('.provision/lab'))
    expect(() => write('key', 'x')).toThrow(/ELOOP|ENOTDIR/)
    expect([readdirSync(at('roots')), statSync(at('roots')).uid]).toEqual([[], 0])
  })

  test('replaces a link instead of following it, and reads only files of that account', () => {
    writeFileSync(at('shadow'), 'of root', { mode: 0o600 })
    mkdirSync(at('.provision/lab'), { recursive: true })
    symlinkSync('../../shadow', at('.provision/lab/key'))
    const isOwn = (uid: number): boolean => uid === NOBODY
    expect(readPlain(at('.provision/lab/key'), 100, isOwn)).toBeUndefined()
    expect(readPlain(at('shadow'), 100, isOwn)).toBeUndefined()
    write('key', 'x')
    expect([text('shadow'), text('.provision/lab/key'), existsSync(at('.provision/lab/key'))]).toEqual(['of root', 'x', true])
    expect(readPlain(at('.provision/lab/key'), 100, isOwn)).toBe('x')
  })
})

test('reading finds no file below a file, behind a link, or in a directory', () => {
  writeFileSync(at('file'), 'four')
  symlinkSync('file', at('link'))
  expect(['file/x', 'link', '.'].map((name) => readPlain(at(name), 10))).toEqual([undefined, undefined, undefined])
  expect([readPlain(at('file'), 4), readPlain(at('file'), 3)]).toEqual(['four', undefined])
  expect(() => readPlain(at('x'.repeat(300)), 10)).toThrow('ENAMETOOLONG')
})

test('reading waits for no pipe and is bounded', () => {
  execFileSync('mkfifo', [at('pipe')])
  execFileSync('truncate', ['-s', '3G', at('sparse')])
  expect([readPlain(at('pipe'), 10), readPlain(at('sparse'), 10), readPlain(at('nothing'), 10)]).toEqual([undefined, undefined, undefined])
})
