import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { installCommand } from '../../e2e/support/install-command.ts'
import { everyScript, type NamedScript } from './every-script.ts'

/** Accepted findings of shellcheck: the rule, a pattern of the message, and the reason. */
const EXPLAINED: readonly (readonly [rule: number, message: RegExp, reason: string])[] = [
  [1007, /Remove space after =/, 'an empty value before another assignment or a command: `a= b=`'],
  [1090, /non-constant source/, 'the undo script of a trial, which the same request wrote'],
  [2010, /Don't use ls \| grep/, 'names that provision gave, sorted by `ls`'],
  [2034, /^(run|state|nonce|locked|saved) appears unused/, 'read by the fragments of a trial, or by the undo script that it sources'],
  [2034, /^reader appears unused/, 'read by the fragments of other kinds that follow in the same request'],
  [2034, /^(kids|pid) appears unused/, 'read by the script `took` of some services'],
  [2034, /^began appears unused/, 'read by the variant of the lock that does not wait'],
  [2034, /^i appears unused/, 'counts the rounds of a loop'],
  [2034, /^login_keys appears unused/, 'read by the requests that the loop runs'],
  [2041, /This is a literal string/, 'a list of one element in this sample'],
  [2043, /only ever run once/, 'a list of one element in this sample'],
  [2046, /Quote this to prevent word splitting/, 'a list of numbers, each a word'],
  [2154, /^code is referenced but not assigned/, 'assigned by the trap itself'],
  [2154, /^(newline|latest|known|nonce) is referenced but not assigned/, 'assigned by the fragment before it: `bootstrap`, `killScript`'],
  [2174, /-m only applies to the deepest directory/, 'the directories above it exist, or may have the usual mode'],
  [2221, /pattern always overrides/, 'two values that are equal in this sample'],
  [2222, /pattern never matches/, 'two values that are equal in this sample'],
  [2209, /Use var=\$\(command\)/, 'a word that is also the name of a command: `wait`, `start`'],
]

let directory: string
let scripts: readonly (NamedScript & { readonly file: string })[]
beforeAll(async () => {
  installCommand('shellcheck')
  directory = mkdtempSync(join(tmpdir(), 'every-script-'))
  scripts = (await everyScript()).map((script, i) => ({ ...script, file: join(directory, `${i}.sh`) }))
  for (const { file, text } of scripts) writeFileSync(file, text)
}, 180_000)
afterAll(() => rmSync(directory, { recursive: true }))

test('there are scripts of all kinds, roles and routines', () => {
  expect(scripts.length).toBeGreaterThan(120)
  for (const part of ['host ', 'orphan ', 'file ', 'galera ', 'nginx', 'haproxy-tls drain', 'monitoring verify', 'database-backup'])
    expect(scripts.filter(({ name }) => name.includes(part)).length, part).toBeGreaterThan(0)
})

test('every script has valid syntax for dash', () => {
  const { stdout } = spawnSync('sh', ['-c', 'for file do dash -n "$file" 2>&1; done', 'sh', ...scripts.map(({ file }) => file)], {
    encoding: 'utf8',
  })
  expect(stdout).toBe('')
})

test('shellcheck has no unexplained finding in any script', { timeout: 120_000 }, () => {
  const args = ['-s', 'dash', '-S', 'warning', '-f', 'json', ...scripts.map(({ file }) => file)]
  const { stdout, stderr } = spawnSync('shellcheck', args, { encoding: 'utf8', maxBuffer: 64e6 })
  expect(stderr).toBe('')
  const found = JSON.parse(stdout) as readonly { file: string; line: number; code: number; message: string }[]
  const unexplained = found.filter(({ code, message }) => !EXPLAINED.some(([rule, pattern]) => rule === code && pattern.test(message)))
  const nameOf = new Map(scripts.map(({ file, name }) => [file, name]))
  expect(unexplained.map(({ file, line, code, message }) => `${nameOf.get(file)}, line ${line}: SC${code} ${message}`)).toEqual([])
  const needless = EXPLAINED.filter(([rule, pattern]) => !found.some(({ code, message }) => code === rule && pattern.test(message)))
  expect(needless.map(([rule, pattern]) => `SC${rule} ${pattern}`)).toEqual([])
})

test('every Perl program of a script has valid syntax', { timeout: 60_000 }, () => {
  const programs = new Set(
    scripts.flatMap(({ text }) => [...text.matchAll(/\bperl -e '((?:[^']|'\\'')*)'/g)].map(([, program = '']) => program)),
  )
  expect(programs.size).toBeGreaterThan(5)
  for (const program of programs) {
    const { stderr } = spawnSync('perl', ['-c', '-e', program.replaceAll(`'\\''`, "'")], { encoding: 'utf8' })
    expect(stderr).toBe('-e syntax OK\n')
  }
})
