import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import monitoring from '../../../../roles/monitoring/role.ts'
import { trafficRecords } from '../../../../roles/monitoring/rules/traffic.ts'
import { yaml } from '../../../../roles/monitoring/yaml.ts'
import { bytesOf } from '../../../../src/resource/kind/content.ts'
import { promtoolFiles } from '../../../alerts/promtool.ts'

const directory = mkdtempSync(join(tmpdir(), 'provision-alerts-'))
afterAll(() => rmSync(directory, { recursive: true }))

// Evaluating a whole day of measurements would take minutes.
const files = promtoolFiles(monitoring.options.parse({ limits: { backup_hours: 0.2 } }))
const groups = Object.keys(files).flatMap((name) => (name.endsWith('.tests.yml') ? [name] : []))
const hasPromtool = spawnSync('promtool', ['--version']).status === 0
const test = (file: string) => {
  const { status, stdout, stderr } = spawnSync('promtool', ['test', 'rules', file], { cwd: directory, encoding: 'utf8' })
  return [status, stdout.includes('SUCCESS'), stderr]
}

// The hosts of test/e2e/monitoring have promtool, and run the same cases.
describe.skipIf(!hasPromtool)('the alerts and records of the group', () => {
  beforeAll(() => {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), bytesOf(content))
  })

  it.each(groups)('%s fire, stay silent and have their values in their cases', { timeout: 60_000 }, (tests) =>
    expect(test(tests)).toEqual([0, true, '']),
  )
})

describe.skipIf(!hasPromtool)('the usual traffic', () => {
  it('is that of the same hour a week ago, else a day ago, else of the last hour', () => {
    const rules = trafficRecords().filter(({ record }) => record === 'site:qps:usual')
    writeFileSync(
      join(directory, 'usual.yml'),
      bytesOf(yaml({ groups: [{ name: 'usual', rules: [...rules].map((rule) => ({ ...rule })) }] })),
    )
    // A value each half hour: 7 in the first day, 5 in the second one, and 3 after it.
    const usual = (at: string, value: number) => ({
      expr: 'site:qps:usual',
      eval_time: at,
      exp_samples: [{ labels: 'site:qps:usual', value }],
    })
    const scene = {
      interval: '30m',
      input_series: [{ series: 'site:qps', values: '7x47 5x47 3x300' }],
      promql_expr_test: [usual('2h', 7), usual('30h', 7), usual('60h', 5), usual('180h', 7), usual('200h', 5)],
    }
    writeFileSync(
      join(directory, 'usual.tests.yml'),
      bytesOf(yaml({ rule_files: ['usual.yml'], evaluation_interval: '30m', tests: [scene] })),
    )
    expect(test('usual.tests.yml')).toEqual([0, true, ''])
  })
})
