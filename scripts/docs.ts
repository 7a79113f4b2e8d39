// Writes docs/reference/ from the schemas of roles and kinds.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { rolesIn } from '../src/cli/project/listed-roles.ts'
import { referencePages } from '../src/cli/project/reference/pages.ts'
import { shippedKinds } from '../src/engine/shipped-kinds.ts'

const root = dirname(import.meta.dirname)
const directory = join(root, 'docs/reference')
const kinds = await shippedKinds()
rmSync(directory, { recursive: true, force: true })
for (const [path, text] of referencePages(await rolesIn(root, kinds), kinds)) {
  mkdirSync(dirname(join(directory, path)), { recursive: true })
  writeFileSync(join(directory, path), text)
}
