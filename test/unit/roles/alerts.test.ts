import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'provision'
import { afterAll, describe, expect, it } from 'vitest'
import monitoring from '../../../roles/monitoring/role.ts'
import { bytesOf } from '../../../src/resource/kind/content.ts'
import { promtoolFiles } from '../../alerts/promtool.ts'

const directory = mkdtempSync(join(tmpdir(), 'provision-alerts-'))
afterAll(() => rmSync(directory, { recursive: true }))

// Evaluating a whole day of measurements would take minutes.
const files = promtoolFiles(monitoring.options.parse({ limits: { backup_hours: 0.2 } }))
const groups = Object.keys(files).flatMap((name) => (name.endsWith('.tests.yml') ? [name] : []))

// The hosts of test/e2e/monitoring have promtool, and run the same cases.
describe.skipIf(spawnSync('promtool', ['--version']).status !== 0)('the alerts of the group', () => {
  it.each(groups)('%s fire and stay silent in their cases', { timeout: 60_000 }, (tests) => {
    for (const name of [tests, tests.replace('.tests.', '.rules.')]) writeFileSync(join(directory, name), bytesOf(files[name] ?? text``))
    const { status, stdout, stderr } = spawnSync('promtool', ['test', 'rules', tests], { cwd: directory, encoding: 'utf8' })
    expect([status, stdout.includes('SUCCESS'), stderr]).toEqual([0, true, ''])
  })
})
