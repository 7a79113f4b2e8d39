import { join } from 'node:path'
import { expect, test } from 'vitest'
import { findRoles } from '../../../src/role/discover.ts'
import { project } from '../site/project.ts'

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
  expect(Object.fromEntries(findRoles(root, { home: shipped, isCompiled: true }))).toEqual({
    nginx: join(root, 'roles/nginx.ts'),
    greeter: join(root, 'roles/greeter/role.js'),
  })
})

test('in the checkout, roles that were added are found beside the compiled ones', () => {
  const root = home()
  expect(Object.fromEntries(findRoles(root, { home: root, isCompiled: true }))).toEqual({
    nginx: join(root, 'dist/roles/nginx/role.js'),
    mine: join(root, 'roles/mine.ts'),
    ours: join(root, 'roles/ours/role.ts'),
  })
  expect(findRoles(root, { home: root, isCompiled: false }).get('nginx')).toBe(join(root, 'roles/nginx/role.ts'))
})
