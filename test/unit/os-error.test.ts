import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { open, readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { problemsIn, systemProblem } from '../../src/problem.ts'

const root = mkdtempSync(join(tmpdir(), 'provision-t-os-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
const at = (name: string): string => join(root, name)

mkdirSync(at('directory/more'), { recursive: true })
writeFileSync(at('file'), '')
symlinkSync('loop', at('loop'))

const errorOf = async (act: () => unknown): Promise<unknown> => {
  try {
    await act()
  } catch (error) {
    return error
  }
  throw new Error('nothing was refused')
}

test.each<[string, () => unknown, RegExp]>([
  ['ENOENT', () => readFileSync(at('nothing')), /^nothing cannot be opened \(ENOENT\)$/],
  ['ENOENT', () => readFile(at('nothing')), /^nothing cannot be opened \(ENOENT\)$/],
  ['ENOENT', () => open(at('gone/file'), 'w'), /^file cannot be opened \(ENOENT\)$/],
  ['ENOTDIR', () => readdirSync(at('file')), /^file cannot be listed \(ENOTDIR\)$/],
  ['EISDIR', () => openSync(at('directory'), 'w'), /^directory cannot be opened \(EISDIR\)$/],
  ['ELOOP', () => readFileSync(at('loop')), /^loop cannot be opened \(ELOOP\)$/],
  ['ENAMETOOLONG', () => writeFileSync(at('x'.repeat(300)), ''), /^x{300} cannot be opened \(ENAMETOOLONG\)$/],
  ['ENOTEMPTY', () => rmdirSync(at('directory')), /^directory cannot be deleted \(ENOTEMPTY\)$/],
])('%s is a problem with path, reason and fix, not a defect', async (code, act, what) => {
  const [problem, ...more] = problemsIn(await errorOf(act)) ?? []
  expect(more).toEqual([])
  expect(problem?.what).toMatch(what)
  expect(problem).toMatchObject({ class: 'task', where: { file: expect.stringContaining(root) }, why: expect.any(String) })
  expect(problem?.fix.length).toBeGreaterThan(10)
  expect(code).not.toBe('')
})

// Conditions that are hard to create in a test, as Node reports them.
test.each(['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EPERM', 'EIO', 'EBUSY', 'EMFILE', 'ENFILE', 'ESTALE', 'EFBIG'])(
  '%s names the path as the user knows it',
  (code) => {
    const error = Object.assign(new Error(`${code}: refused, write`), { code, errno: -1, syscall: 'write' })
    expect(systemProblem(error, { file: 'inventory/secrets.yaml', asked: 'written' })).toMatchObject({
      where: { file: 'inventory/secrets.yaml' },
      what: `secrets.yaml cannot be written (${code})`,
    })
  },
)

test('a missing program is a problem, too', async () => {
  const { error } = spawnSync('/no/such/program')
  expect(problemsIn(error)?.[0]).toMatchObject({ what: 'program cannot be started (ENOENT)', fix: expect.stringContaining('install') })
  const later = await new Promise((resolve) => spawn('no-such-program').once('error', resolve))
  expect(problemsIn(later)?.[0]).toMatchObject({ what: 'no-such-program cannot be started (ENOENT)' })
})

test('network failures and defects are not converted', async () => {
  const refused = await new Promise((resolve) => connect({ host: '127.0.0.1', port: 1 }).once('error', resolve))
  expect(problemsIn(refused)).toBeUndefined()
  const reset = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', errno: -104, syscall: 'read' })
  expect(problemsIn(reset)).toBeUndefined()
  expect(problemsIn(new TypeError('x is not a function'))).toBeUndefined()
  expect(problemsIn(await errorOf(() => readFileSync(-1 as never)))).toBeUndefined()
})
