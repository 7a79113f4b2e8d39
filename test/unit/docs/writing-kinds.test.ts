import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import * as author from '../../../src/kind.ts'
import type { Kind } from '../../../src/resource/kind/kind.ts'
import { filesIn, prose, read, root } from './pages.ts'

const page = read('docs/writing-kinds.md')
const directory = mkdtempSync(join(tmpdir(), 'provision-kinds-'))
afterAll(() => rmSync(directory, { recursive: true }))
for (const [path, text] of Object.entries(filesIn(page))) {
  mkdirSync(dirname(join(directory, path)), { recursive: true })
  writeFileSync(join(directory, path), text)
}
writeFileSync(join(directory, 'package.json'), '{ "type": "module" }')
const path = 'kinds/runtime-directory/runtime-directory'

test('the tests on the page pass', () => {
  const loader = join(root, 'test/e2e/support/provision-loader.ts')
  const words = ['--import', loader, '--test', '--test-reporter', 'tap', `${path}.test.ts`, 'kinds/runtime-directory/laws.test.ts']
  const { status, stdout } = spawnSync(process.execPath, words, { cwd: directory, encoding: 'utf8', env: { PATH: process.env.PATH } })
  expect(stdout).toMatch(/^# pass 5$/m)
  expect(status).toBe(0)
}, 60_000)

test('the page names every optional member of a kind', () => {
  const members = Object.keys({
    ...{
      accounts: 0,
      affectsLater: 0,
      aspect: 0,
      before: 0,
      bookkeeping: 0,
      contained: 0,
      content: 0,
      diff: 0,
      directories: 0,
      effects: 0,
      family: 0,
      files: 0,
      forbids: 0,
      issuer: 0,
      notices: 0,
    },
    ...{ orphan: 0, prunes: 0, publishes: 0, recorded: 0, revert: 0, sequence: 0, shared: 0, signer: 0, summary: 0, triggers: 0, queue: 0 },
  } satisfies Record<OptionalMember, 0>)
  expect(members.filter((name) => !page.includes(`\`${name}\``))).toEqual([])
})

type OptionalMember = { [name in keyof Kind]-?: undefined extends Kind[name] ? name : never }[keyof Kind]

test('every name that the page uses from provision/kind exists', () => {
  const named = [...prose(page).matchAll(/`([a-zA-Z]+)\(/g)].map(([, name = '']) => name)
  expect(named.filter((name) => !(name in author))).toEqual([])
})
