import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { filesIn, read, root } from './pages.ts'

test('the tests on the page pass', () => {
  const directory = mkdtempSync(join(tmpdir(), 'provision-roles-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  for (const [path, text] of Object.entries(filesIn(read('docs/writing-roles.md')))) {
    mkdirSync(dirname(join(directory, path)), { recursive: true })
    writeFileSync(join(directory, path), text)
  }
  writeFileSync(join(directory, 'package.json'), '{ "type": "module" }')
  const loader = join(root, 'test/e2e/support/provision-loader.ts')
  const words = ['--import', loader, '--test', '--test-reporter', 'tap', 'roles/node-exporter/role.test.ts']
  const { status, stdout } = spawnSync(process.execPath, words, { cwd: directory, encoding: 'utf8', env: { PATH: process.env.PATH } })
  expect(stdout).toMatch(/^# pass 3$/m)
  expect(status).toBe(0)
}, 60_000)
