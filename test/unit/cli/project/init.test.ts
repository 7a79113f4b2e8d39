import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { command } from '../../../../src/cli/project/init.ts'
import { findPackages } from '../../../../src/role/package/packages.ts'
import { problemOf } from '../../problem-of.ts'
import { project } from '../../site/project.ts'

const root = join(import.meta.dirname, '../../../..')

const init = async (directory: string, ...positionals: readonly string[]) => {
  const printed: string[] = []
  const context = { directory, err: (text: string) => printed.push(text) } as unknown as Parameters<typeof command.run>[1]
  const status = await command.run({ positionals, rest: [], values: {} }, context)
  return { status, printed: printed.join('') }
}

const filesIn = (directory: string) =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(directory.length + 1))
    .toSorted()

test('a new package has a role, its test and what npm needs, which passes', async () => {
  const directory = project({})
  const { status, printed } = await init(directory, 'role', 'redis')
  const home = join(directory, 'provision-redis')
  expect({ status, printed }).toEqual({ status: 0, printed: expect.stringContaining('wrote 7 files to provision-redis') })
  expect(filesIn(home)).toEqual(
    ['.gitignore', 'README.md', 'files/greeting', 'package.json', 'src/role.ts', 'test/role.test.ts', 'tsconfig.json'].toSorted(),
  )

  const loader = join(root, 'test/e2e/support/provision-loader.ts')
  const { stdout } = spawnSync(process.execPath, ['--import', loader, '--test', '--test-reporter', 'tap'], {
    ...{ cwd: home, encoding: 'utf8', env: { PATH: process.env.PATH } },
  })
  expect(stdout).toMatch(/^# pass 2$/m)
  expect(stdout).toMatch(/^# fail 0$/m)

  // What the author publishes is a package with this role.
  mkdirSync(join(home, 'dist'))
  writeFileSync(join(home, 'dist/role.js'), '')
  mkdirSync(join(directory, 'node_modules'))
  symlinkSync(home, join(directory, 'node_modules/provision-redis'))
  writeFileSync(join(directory, 'package.json'), '{ "dependencies": { "provision-redis": "1" } }')
  expect(findPackages(directory).map(({ name, only }) => [name, only])).toEqual([['provision-redis', 'redis']])
}, 60_000)

test('no file is overwritten, and none is written beside it', async () => {
  const directory = project({ 'mine/src/role.ts': 'mine' })
  expect(await problemOf(init(directory, 'role', 'redis', 'mine'))).toMatchObject({
    where: { file: 'mine/src/role.ts' },
    what: 'file exists',
  })
  expect(filesIn(join(directory, 'mine'))).toEqual(['src/role.ts'])
  expect(readFileSync(join(directory, 'mine/src/role.ts'), 'utf8')).toBe('mine')
})

test.each([
  [[], 'no subcommand is given'],
  [['kind'], 'unknown subcommand kind'],
  [['role'], 'no name is given'],
  [['role', 'Redis'], 'Redis is not a valid name'],
  [['role', '../x'], '../x is not a valid name'],
  [['role', 'redis', 'My Role'], 'My Role is not a valid name of a package'],
])('%j is refused', async (positionals, what) => {
  expect((await problemOf(init(project({}), ...positionals))).what).toContain(what)
})
