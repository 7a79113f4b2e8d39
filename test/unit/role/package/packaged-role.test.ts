import { join, relative } from 'node:path'
import { expect, test } from 'vitest'
import { kindsOf } from '../../../../src/engine/prepare.ts'
import { problemsIn } from '../../../../src/problem.ts'
import { orphanPolicyOf } from '../../../../src/resource/kind/orphan-policy.ts'
import { findRoles, loadRoles, yamlRolesIn } from '../../../../src/role/discover.ts'
import { projectFiles } from '../../../../src/role/files.ts'
import type { HostContext } from '../../../../src/role/role.ts'
import { problemOf } from '../../problem-of.ts'
import { linkedProject, packageFiles, projectWith } from './installed.ts'

const role = (name: string, resources: string): string =>
  `import { defineRole, file, projectFile, z } from 'provision'
export default defineRole({ name: '${name}', summary: 's', options: z.unknown(), resources: (context) => ${resources} })
`

const KIND = (name: string): string => `import { defineKind, z } from 'provision/kind'
export const made = defineKind({ name: '${name}', schema: z.string(), id: (name) => name, observe: () => ({ script: '', parse: () => new Map() }),
  plan: () => undefined, *apply() {}, orphan: { keep: 'because of ${name}' } })
`

const contextOf = (root: string) =>
  ({ files: (directory: string, name?: string) => projectFiles(root, directory, name) }) as unknown as HostContext<unknown>

test('the only or default role has the name of its package, and each role has a name below it', () => {
  const files = { 'a.js': '', 'b.yaml': '' }
  const root = projectWith(['@acme/memcached', 'tools'], {
    ...packageFiles('@acme/memcached', { roles: { memcached: './a.js' } }, files),
    ...packageFiles('tools', { roles: { one: './a.js', two: './b.yaml' } }, files),
  })
  const found = findRoles(root)
  const packaged = [...found].flatMap(([name, file]) => (file.packaged === undefined ? [] : [[name, relative(root, file.path)]]))
  expect(packaged).toEqual([
    ['@acme/memcached', 'node_modules/@acme/memcached/a.js'],
    ['@acme/memcached/memcached', 'node_modules/@acme/memcached/a.js'],
    ['tools/one', 'node_modules/tools/a.js'],
    ['tools/two', 'node_modules/tools/b.yaml'],
  ])
  expect([...yamlRolesIn(found, root).keys()]).toEqual(['tools/two'])
})

test('a role of the project has priority over a package with its name', () => {
  const root = projectWith(['memcached'], {
    ...packageFiles('memcached', { roles: { memcached: './a.js' } }, { 'a.js': '' }),
    'roles/memcached.ts': '',
  })
  expect(findRoles(root).get('memcached')).toEqual({ path: join(root, 'roles/memcached.ts') })
})

test('a role of a package has the name in the playbook, and reads files of the package and of the project', async () => {
  const resources = `['./files/x', 'files/x', './x'].map((path) => file({ path: '/etc/' + path.replaceAll(/[./]/g, '-'), content: projectFile(context, path, 'create it') }))`
  const files = { 'a.js': role('memcached', resources), 'files/x': 'of the package\n', x: 'at its root\n' }
  const root = linkedProject(['memcached'], {
    ...packageFiles('memcached', { roles: { memcached: './a.js' } }, files),
    'files/x': 'of the project\n',
  })
  const loaded = (await loadRoles(findRoles(root), ['memcached'])).get('memcached')
  expect(loaded?.name).toBe('memcached')
  const specs = loaded?.resources(contextOf(root)).map(({ spec }) => spec as { content: { open(): Buffer } })
  expect(specs?.map(({ content }) => String(content.open()))).toEqual(['of the package\n', 'of the project\n', 'at its root\n'])
})

test('a role of a package does not read files beside its package', async () => {
  const root = linkedProject(['memcached'], {
    ...packageFiles(
      'memcached',
      { roles: { memcached: './a.js' } },
      { 'a.js': role('memcached', `projectFile(context, './../../package.json', 'x')`) },
    ),
  })
  const loaded = (await loadRoles(findRoles(root), ['memcached'])).get('memcached')
  expect(await problemOf(() => loaded?.resources(contextOf(root)))).toMatchObject({
    ...{ where: { file: 'memcached/../../package.json' }, what: 'path leads out of the package' },
  })
})

test('an error of a role of a package has its place in the package', async () => {
  const root = linkedProject(
    ['memcached'],
    packageFiles('memcached', { roles: { memcached: './a.js' } }, { 'a.js': role('memcached', 'nonsense') }),
  )
  const loaded = (await loadRoles(findRoles(root), ['memcached/memcached'])).get('memcached/memcached')
  expect(await problemOf(() => loaded?.resources(contextOf(root)))).toMatchObject({
    where: { file: relative(process.cwd(), join(root, 'packages/memcached/a.js')), line: 2 },
    what: 'role memcached/memcached is invalid',
    why: expect.stringContaining('nonsense is not defined'),
  })
})

test('a role with another name than package.json declares is refused', async () => {
  const root = linkedProject(['memcached'], packageFiles('memcached', { roles: { memcached: './a.js' } }, { 'a.js': role('other', '[]') }))
  expect(await problemOf(loadRoles(findRoles(root), ['memcached']))).toMatchObject({
    what: 'role memcached has the name "other"',
    why: 'package.json declares it as memcached',
  })
})

test('the kinds of a package are loaded under their own names, so that the policy for their orphans is known', async () => {
  const root = linkedProject(
    ['memcached'],
    packageFiles('memcached', { kinds: { 'packaged-one': './a.js' } }, { 'a.js': KIND('packaged-one') }),
  )
  expect((await kindsOf(root)).get('packaged-one')?.name).toBe('packaged-one')
  expect(orphanPolicyOf('packaged-one:x')).toEqual({ keep: 'because of packaged-one' })
})

test('a composite of a package with a name that is taken is refused', async () => {
  const composite = `import { defineComposite, z } from 'provision/kind'
export const made = defineComposite({ name: 'timer', schema: z.string(), resources: () => [] })
`
  const root = linkedProject(['memcached'], packageFiles('memcached', { kinds: { timer: './a.js' } }, { 'a.js': composite }))
  expect(await problemOf(kindsOf(root))).toMatchObject({
    why: 'another kind has the name timer: that of the package provision',
    where: { line: 7, column: 16 },
  })
})

test.each([
  [
    'a name that its file does not export',
    'declared',
    'packaged-two',
    'kind declared of memcached does not exist',
    'its file exports packaged-two',
  ],
  ['the name of a shipped kind', 'cron', 'cron', 'kind cron of memcached cannot be loaded', 'another kind has the name cron'],
])('a kind with %s is refused at its place', async (_, declared, exported, what, why) => {
  const root = linkedProject(['memcached'], packageFiles('memcached', { kinds: { [declared]: './a.js' } }, { 'a.js': KIND(exported) }))
  const found = await kindsOf(root).then(
    () => [],
    (error: unknown) => problemsIn(error) ?? [error],
  )
  expect(found).toEqual([
    expect.objectContaining({
      where: expect.objectContaining({ file: relative(process.cwd(), join(root, 'node_modules/memcached/package.json')), line: 7 }),
      ...{ what, why, fix: 'use another version of memcached, or remove it' },
    }),
  ])
})
