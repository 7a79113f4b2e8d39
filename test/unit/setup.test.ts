import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'

const root = join(import.meta.dirname, '../..')

type Packages = Readonly<Record<string, { readonly version: string; readonly integrity?: string; readonly optional?: true }>>

const LOCKED: Packages = {
  '': { version: '0.1.0' },
  'node_modules/yaml': { version: '2.9.1', integrity: 'sha512-a' },
  'node_modules/other-system': { version: '1.0.0', integrity: 'sha512-b', optional: true },
}
const { '': _, 'node_modules/other-system': __, ...INSTALLED } = LOCKED

/** A checkout with the real setup.js, and an npm that writes down its arguments and then does `npm`. */
const checkout = ({ installed, npm = 'exit 0' }: { readonly installed?: Packages; readonly npm?: string }) => {
  const directory = mkdtempSync(join(tmpdir(), 'provision-setup-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  mkdirSync(join(directory, 'scripts'))
  mkdirSync(join(directory, 'bin'))
  mkdirSync(join(directory, 'node_modules'))
  cpSync(join(root, 'scripts/setup.js'), join(directory, 'scripts/setup.js'))
  writeFileSync(join(directory, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(directory, 'package-lock.json'), JSON.stringify({ packages: LOCKED }))
  if (installed !== undefined) writeFileSync(join(directory, 'node_modules/.package-lock.json'), JSON.stringify({ packages: installed }))
  writeFileSync(join(directory, 'bin/npm'), `#!/bin/sh\necho "$@" >>"${directory}/calls"\n${npm}\n`)
  chmodSync(join(directory, 'bin/npm'), 0o755)
  const env = { ...process.env, PATH: `${join(directory, 'bin')}:${process.env.PATH}` }
  const setup = [join(directory, 'scripts/setup.js')]
  const calls = (): string => (existsSync(join(directory, 'calls')) ? readFileSync(join(directory, 'calls'), 'utf8') : '')
  return { calls, run: () => spawnSync(process.execPath, setup, { env, encoding: 'utf8' }) }
}

test('nothing happens if all packages are installed', () => {
  const { run, calls } = checkout({ installed: INSTALLED })
  expect(run()).toMatchObject({ status: 0, stdout: '', stderr: '' })
  expect(calls()).toBe('')
})

test.each<[string, Packages | undefined]>([
  ['there is no node_modules, or npm ci was interrupted', undefined],
  ['a package is missing', {}],
  ['a package has another version', { 'node_modules/yaml': { version: '2.9.0', integrity: 'sha512-a' } }],
  ['a package has another digest', { 'node_modules/yaml': { version: '2.9.1', integrity: 'sha512-c' } }],
  ['there is a package that is not locked', { ...INSTALLED, 'node_modules/old': { version: '1.0.0' } }],
])('npm ci runs once if %s', (_, installed) => {
  const { run, calls } = checkout(installed === undefined ? {} : { installed })
  const stdout = 'node_modules is missing or does not match package-lock.json: running npm ci.\n'
  expect(run()).toMatchObject({ status: 0, stdout })
  expect(calls()).toBe('ci\n')
})

test('the exit status of npm ci is handed on', () => {
  expect(checkout({ npm: 'exit 7' }).run().status).toBe(7)
})

test('a signal that ends npm ci gives 128 and its number', () => {
  expect(checkout({ npm: 'kill -INT $$' }).run().status).toBe(130)
})

test.each(['test', 'demo'])('npm run %s sets up first', (script) => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Readonly<Record<string, string>> }
  expect(scripts[`pre${script}`]).toBe('node scripts/setup.js')
})
