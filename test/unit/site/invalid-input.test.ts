import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Problem, placeOf, problemsIn } from '../../../src/problem.ts'
import { bindRoles } from '../../../src/role/bind.ts'
import { findRoles, loadRoles } from '../../../src/role/discover.ts'
import { buildSite } from '../../../src/site/build.ts'
import { readProject } from '../../../src/site/read.ts'

// Every directory is an invalid project with the expected messages in expected.txt. To add a case, add a directory.
const FOLDER = join(import.meta.dirname, '../../fixtures/wrong')
const cases = readdirSync(FOLDER)

const env = { HOME: '/home/ops', USER: 'ops', SECRET_FOR_TESTS: 'geheim-4711', PROVISION_AGE_KEY_FILE: '/nonexistent/age.txt' }

const problemsOf = async (root: string): Promise<readonly Problem[]> => {
  try {
    const roles = findRoles(root)
    const site = buildSite(await readProject({ root, env }), { knownRoles: [...roles.keys()] })
    const used = site.plays.flatMap((play) => play.roles.map(({ name }) => name))
    bindRoles(site, await loadRoles(roles, [...new Set(used)]))
    return []
  } catch (error) {
    const problems = problemsIn(error)
    if (problems === undefined) throw error
    return problems
  }
}

const formatted = ({ where, what, why, fix }: Problem): string =>
  `${placeOf(where)}  ${what}\n${why === undefined ? '' : `  why  ${why}\n`}  fix  ${fix}\n`

test('there are at least 40 invalid projects', () => {
  expect(cases.length).toBeGreaterThanOrEqual(40)
})

describe.each(cases)('%s', (name) => {
  test('is reported with its position and a fix', async () => {
    const problems = await problemsOf(join(FOLDER, name))
    expect(problems.length).toBeGreaterThan(0)
    for (const problem of problems) {
      expect(problem.class).toBe('input')
      expect(problem.fix).not.toBe('')
    }
    const text = problems.map(formatted).join('')
    expect(text).not.toMatch(/geheim|4711|undefined|\[object/)
    await expect(text).toMatchFileSnapshot(join(FOLDER, name, 'expected.txt'))
  })
})

test('five errors in three files are reported together', async () => {
  const places = (await problemsOf(join(FOLDER, 'five-faults'))).map(({ where }) => placeOf(where))
  expect(places).toEqual([
    'inventory/groups.yaml:3:21',
    'inventory/groups.yaml:5:7',
    'inventory/hosts.yaml:6:14',
    'inventory/hosts.yaml:9:5',
    'playbooks/site.yaml:2:15',
  ])
})
