import { join, relative } from 'node:path'
import { expect, test } from 'vitest'
import { findRoles, loadRoles, type RoleFiles } from '../../../src/role/discover.ts'
import { packageHome } from '../../../src/role/package-home.ts'
import { problemOf } from '../problem-of.ts'
import { project } from '../site/project.ts'

const pathsOf = (files: RoleFiles) => Object.fromEntries([...files].map(([name, { path }]) => [name, path]))

const home = () =>
  project({
    'dist/roles/nginx/role.js': '',
    'roles/nginx/role.ts': '',
    'roles/mine.ts': '',
    'roles/ours/role.ts': '',
    'roles/README.md': '',
    'roles/empty/notes.ts': '',
  })

test('a project may replace shipped roles and add its own, as a file or as a folder', () => {
  const shipped = home()
  const root = project({ 'roles/nginx.ts': '', 'roles/greeter/role.js': '', 'roles/Wrong.ts': '' })
  expect(pathsOf(findRoles(root, { home: shipped, isCompiled: true }))).toEqual({
    nginx: join(root, 'roles/nginx.ts'),
    greeter: join(root, 'roles/greeter/role.js'),
  })
})

test('in the checkout, roles that were added are found beside the compiled ones', () => {
  const root = home()
  expect(pathsOf(findRoles(root, { home: root, isCompiled: true }))).toEqual({
    nginx: join(root, 'dist/roles/nginx/role.js'),
    mine: join(root, 'roles/mine.ts'),
    ours: join(root, 'roles/ours/role.ts'),
  })
  expect(findRoles(root, { home: root, isCompiled: false }).get('nginx')?.path).toBe(join(root, 'roles/nginx/role.ts'))
})

const ROLE = (name: string): string =>
  `import { defineRole, z } from 'provision'\nexport default defineRole({ name: '${name}', summary: 's', options: z.unknown(), resources: () => 1 as never })\n`

test('a role of a project is loaded with its mistakes caught, and one of provision as it is', async () => {
  const root = project({ 'roles/mine.ts': ROLE('mine') })
  const roles = await loadRoles(findRoles(root), ['mine', 'mine', 'nginx'])
  expect([...roles.keys()]).toEqual(['mine', 'nginx'])
  expect((await problemOf(() => roles.get('mine')?.resources({} as never))).where).toEqual({
    file: relative(process.cwd(), join(root, 'roles/mine.ts')),
  })
  const shipped = await import(`${packageHome()}/roles/nginx/role.ts`)
  expect(roles.get('nginx')).toBe(shipped.default)
  await expect(loadRoles(new Map(), ['none'])).rejects.toThrow('role none was not found')
})

test.each([
  ['that throws', 'throw new Error("broken")', 'role mine cannot be loaded', 'broken'],
  ['without an export', 'export const role = 1', 'role mine is not a role', 'its default export must be what defineRole() returns'],
  ['without options', 'export default { name: "mine", resources: () => [] }', 'role mine is not a role', 'its default export'],
  ['without resources', 'export default { name: "mine", options: {} }', 'role mine is not a role', 'its default export'],
  ['with another name', ROLE('other'), 'role mine has the name "other"', 'its name must be that of its folder or file'],
])('a file %s is an input error at the file', async (_, text, what, why) => {
  const root = project({ 'roles/mine.ts': text })
  expect(await problemOf(loadRoles(findRoles(root), ['mine']))).toMatchObject({
    class: 'input',
    where: { file: relative(process.cwd(), join(root, 'roles/mine.ts')) },
    what,
    why: expect.stringContaining(why),
  })
})

test('a file in the place of the directory of roles is an input error', async () => {
  const root = project({ roles: 'x' })
  expect(await problemOf(() => findRoles(root))).toMatchObject({
    ...{ class: 'input', where: { file: relative(process.cwd(), join(root, 'roles')) }, what: 'directory of roles cannot be read' },
  })
})
