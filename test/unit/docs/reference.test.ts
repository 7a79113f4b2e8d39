import { existsSync, globSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { rolesIn } from '../../../src/cli/project/listed-roles.ts'
import { referencePages } from '../../../src/cli/project/reference/pages.ts'
import { shippedKinds } from '../../../src/engine/shipped-kinds.ts'
import { read, root } from './pages.ts'

const STALE = 'docs/reference is stale: run `npm run docs`'

test('docs/reference agrees with the schemas of roles and kinds', async () => {
  const kinds = await shippedKinds()
  const pages = referencePages(await rolesIn(root, kinds), kinds)
  expect(pages.size).toBeGreaterThan(60)
  const written = (path: string): string => `docs/reference/${path}`
  const differing = [...pages].filter(([path, text]) => !existsSync(join(root, written(path))) || read(written(path)) !== text)
  expect(
    differing.map(([path]) => written(path)),
    STALE,
  ).toEqual([])
  const unknown = globSync('docs/reference/**/*.md', { cwd: root }).filter((path) => !pages.has(path.slice('docs/reference/'.length)))
  expect(unknown, STALE).toEqual([])
}, 60_000)

test('a page has the names, types, defaults and descriptions of all options, with pipes escaped', () => {
  const page = read('docs/reference/roles/nginx.md')
  expect(page).toContain('| `sites[].cors.origins` | `list of text` | required | origins whose pages may read responses |')
  expect(page).toContain('| `sites[].locations.*.proxy` | `text \\| list of text` |  | another application')
  expect(read('docs/reference/kinds/file.md')).toContain('| `state` | `"present" \\| "absent"` | `"present"` |')
})
