import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'

// The errors of Node itself: vitest loads modules in another way.
const root = realpathSync(mkdtempSync(join(tmpdir(), 'provision-load-')))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const SEE = 'see docs/writing-roles.md in the package provision'
const cases: Readonly<Record<string, readonly [text: string, place: string, why: string, fix: string]>> = {
  syntax: [
    "export default {\n  name: 'syntax',\n  resources: () => [file({ path: '/etc/x' }],\n}\n",
    'roles/syntax.ts:3:44',
    "Expected ',', got ']'",
    'correct the syntax',
  ],
  exported: [
    "import { z,\n  defineRol } from 'provision'\n",
    'roles/exported.ts:2:3',
    "The requested module 'provision' does not provide an export named 'defineRol'",
    'did you mean `defineRole`?',
  ],
  strange: [
    "import { nothingLikeThis } from 'provision'\n",
    'roles/strange.ts:1:10',
    "The requested module 'provision' does not provide an export named 'nothingLikeThis'",
    SEE,
  ],
  local: ["\nimport { a } from './shred.ts'\n", 'roles/local.ts:2:19', 'roles/shred.ts does not exist', 'did you mean `shared.ts`?'],
  misspelt: ["import { z } from 'provisoin'\n", 'roles/misspelt.ts:1:19', 'provisoin does not exist', 'did you mean `provision`?'],
  uninstalled: [
    'import x from "no-such-package"\n',
    'roles/uninstalled.ts:1:15',
    'no-such-package does not exist',
    'run npm install no-such-package',
  ],
  stripped: [
    "import { z } from 'provision'\nenum Port { web }\n",
    'roles/stripped.ts:2:1',
    'TypeScript enum is not supported in strip-only mode',
    'use only syntax that Node can remove: for example, a union of strings in place of an enum',
  ],
  imported: [
    "import './broken.ts'\n",
    'roles/lib/broken.ts:2:7',
    'Unexpected token `=`. Expected yield, an identifier, [ or {',
    'correct the syntax',
  ],
  thrown: ["const broken = (): never => {\n  throw new Error('broken')\n}\nbroken()\n", 'roles/thrown.ts:2:9', 'broken', SEE],
  unimported: [
    'console.error\ndefineRole({})\n',
    'roles/unimported.ts:2:1',
    'defineRole is not defined',
    "import it: import { defineRole } from 'provision'",
  ],
}

let found: Readonly<Record<string, unknown>> = {}
beforeAll(() => {
  mkdirSync(join(root, 'roles/lib'), { recursive: true })
  writeFileSync(join(root, 'roles/shared.ts'), '')
  writeFileSync(join(root, 'roles/lib/broken.ts'), '\nconst =\n')
  for (const [name, [text]] of Object.entries(cases))
    writeFileSync(join(root, `roles/${name}.ts`), text.replace('./broken', './lib/broken'))
  const at = (path: string): string => JSON.stringify(pathToFileURL(join(process.cwd(), 'src', path)).href)
  const script = `import { registerHooks } from 'node:module'
registerHooks({
  resolve: (specifier, context, next) => {
    if (specifier === 'provision') return { url: ${at('index.ts')}, shortCircuit: true }
    const resolved = next(specifier, context)
    return resolved.url.endsWith('.ts') ? { ...resolved, format: 'module-typescript' } : resolved
  },
})
const { findRoles, loadRoles } = await import(${at('role/discover.ts')})
const found = {}
for (const name of ${JSON.stringify(Object.keys(cases))})
  await loadRoles(findRoles(${JSON.stringify(root)}), [name]).catch(({ where, what, why, fix }) => {
    found[name] = [[where.file, where.line, where.column].join(':'), what, why, fix]
  })
console.log(JSON.stringify(found))`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { cwd: root, encoding: 'utf8' })
  expect(stderr).toBe('')
  found = JSON.parse(stdout)
})

test.each(Object.entries(cases))('a role that cannot be loaded has its place and a suggestion: %s', (name, [, place, why, fix]) => {
  expect(found[name]).toEqual([place, `role ${name} cannot be loaded`, why, fix])
})
