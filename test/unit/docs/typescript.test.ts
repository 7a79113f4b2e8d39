import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { blocks, filesIn, pages, read, root } from './pages.ts'

/** An example as a whole file. One that shows members of a role becomes a role. */
const wholeFile = (example: string): string =>
  /^\w+: /.test(example)
    ? `import { defineRole, z } from 'provision'\nexport default defineRole({ name: 'x', summary: 'x', options: z.strictObject({}), resources: () => [],\n${example}})\n`
    : example

/** Compiler errors in these files, with the options of this project. */
const compile = (files: Readonly<Record<string, string>>): string => {
  const directory = mkdtempSync(join(tmpdir(), 'provision-docs-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  mkdirSync(join(directory, 'docs'))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, 'docs', name)), { recursive: true })
    writeFileSync(join(directory, 'docs', name), text)
  }
  const config = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: {
      paths: { provision: [join(root, 'src/index.ts')], 'provision/*': [join(root, 'src/*.ts')] },
      typeRoots: [join(root, 'node_modules/@types')],
    },
    include: ['docs'],
  }
  writeFileSync(join(directory, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify(config))
  return spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', directory], { encoding: 'utf8' }).stdout
}

test('every example in TypeScript compiles', () => {
  const examples = pages.flatMap((path) =>
    blocks(read(path), 'ts').map((text, i) => {
      const [name = `${i}.ts`] = Object.entries(filesIn(read(path))).find(([, file]) => file === text) ?? []
      return [`${path}/${name}`, wholeFile(text)] as const
    }),
  )
  expect(examples.length).toBeGreaterThan(2)
  expect(compile(Object.fromEntries(examples))).toBe('')
}, 60_000)

test('an example that does not compile is found', () => {
  expect(compile({ 'wrong.ts': wholeFile("listens: () => [{ service: 'shop', port: '80', protocol: 'tcp', from: [] }],\n") })).toContain(
    "Type 'string' is not assignable to type 'number'",
  )
}, 60_000)
