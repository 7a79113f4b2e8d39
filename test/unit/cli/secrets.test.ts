import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { expect, test } from 'vitest'
import { otherSecrets } from '../../../src/cli/other-secrets.ts'
import { command } from '../../../src/cli/secrets.ts'
import { decrypt, encrypt } from '../../../src/keystore/age.ts'
import { ensureAgeKey } from '../../../src/keystore/age-key.ts'
import { readSecrets } from '../../../src/site/read.ts'
import { project } from '../site/project.ts'
import { testContext } from './context.ts'

/** Returns a project with encrypted files, and `secrets rotate` in it. */
const projectWith = async (secrets: Readonly<Record<string, string>>) => {
  const root = project({})
  const env = { PROVISION_AGE_KEY_FILE: join(root, 'age.txt') }
  const { identities, recipients } = await ensureAgeKey(root, env)
  for (const [path, text] of Object.entries(secrets)) {
    mkdirSync(join(root, path, '..'), { recursive: true })
    writeFileSync(join(root, path), await encrypt(text, recipients))
  }
  const rotate = async (inventory?: string): Promise<string> => {
    const context = testContext({ directory: root, env })
    const values = inventory === undefined ? {} : { inventory }
    expect(await command.run({ positionals: ['rotate'], rest: [], values: values as never }, context)).toBe(0)
    return context.output.err
  }
  const bytes = (path: string): string => readFileSync(join(root, path), 'latin1')
  const open = async (path: string): Promise<string> =>
    Buffer.from(await decrypt(readFileSync(join(root, path)), identities, { file: path })).toString()
  return { root, rotate, bytes, open }
}

test.each([
  ['a long file', 'inventory', `long: ${'x'.repeat(70_000)}\n`],
  ['an absolute path', undefined, 'a: b\n'],
])('secrets rotate encrypts again: %s', async (_, inventory, text) => {
  const { root, rotate, bytes, open } = await projectWith({ 'inventory/secrets.yaml': text })
  const before = bytes('inventory/secrets.yaml')
  expect(await rotate(inventory ?? join(root, 'inventory'))).toContain('inventory/secrets.yaml\n')
  expect(bytes('inventory/secrets.yaml')).not.toBe(before)
  expect(await open('inventory/secrets.yaml')).toBe(text)
})

test('secrets rotate replaces the file behind a link, and keeps the link', async () => {
  const { root, rotate, bytes, open } = await projectWith({ 'shared/all.yaml': 'a: b\n' })
  mkdirSync(join(root, 'inventory'))
  symlinkSync('../shared/all.yaml', join(root, 'inventory/secrets.yaml'))
  const before = bytes('shared/all.yaml')
  await rotate()
  expect(lstatSync(join(root, 'inventory/secrets.yaml')).isSymbolicLink()).toBe(true)
  expect(bytes('shared/all.yaml')).not.toBe(before)
  expect(await open('shared/all.yaml')).toBe('a: b\n')
})

test('secrets rotate rejects an unencrypted file', async () => {
  const { root, rotate } = await projectWith({})
  mkdirSync(join(root, 'inventory'))
  writeFileSync(join(root, 'inventory/secrets.yaml'), 'a: b\n')
  await expect(rotate()).rejects.toMatchObject({ what: 'secrets file is not encrypted' })
})

test('secrets rotate lists the files of other inventories, with the command for each', async () => {
  const { rotate, bytes } = await projectWith({
    'inventory/secrets.yaml': 'a: b\n',
    'staging/secrets.yaml': 'a: b\n',
    'sites/of us/secrets.yaml': 'a: b\n',
    'secrets.yaml': 'a: b\n',
  })
  const before = bytes('staging/secrets.yaml')
  const output = await rotate()
  expect(output).toContain(`Not rotated, so former recipients can still decrypt:
  secrets.yaml: provision secrets rotate -i .
  sites/of us/secrets.yaml: provision secrets rotate -i 'sites/of us'
  staging/secrets.yaml: provision secrets rotate -i staging
`)
  expect(bytes('staging/secrets.yaml')).toBe(before)
  const nextOutput = await rotate('staging')
  expect(bytes('staging/secrets.yaml')).not.toBe(before)
  expect(nextOutput).toContain('  inventory/secrets.yaml: provision secrets rotate -i inventory\n')
  expect(nextOutput).not.toContain('-i staging')
})

test('secrets rotate prints no other files if there are none', async () => {
  const { rotate } = await projectWith({ 'inventory/secrets.yaml': 'a: b\n' })
  expect(await rotate()).toMatch(/Change these secrets as well\.\n$/)
})

test('the search skips links to directories, hidden directories and node_modules, and has a limit', async () => {
  const { root } = await projectWith({
    'inventory/secrets.yaml': 'a: b\n',
    '.git/secrets.yaml': 'a: b\n',
    'node_modules/x/secrets.yaml': 'a: b\n',
    'one/secrets.yaml': 'a: b\n',
    'one/two/secrets.yaml': 'a: b\n',
  })
  mkdirSync(join(root, 'three'))
  writeFileSync(join(root, 'three/secrets.yaml'), 'in: the clear\n')
  symlinkSync('..', join(root, 'three/round'))
  mkdirSync(join(root, 'four'))
  symlinkSync('../inventory/secrets.yaml', join(root, 'four/secrets.yaml'))
  const files = ['one/secrets.yaml', 'one/two/secrets.yaml']
  expect(otherSecrets(root, 'inventory/secrets.yaml')).toEqual({ files, isComplete: true })
  expect(otherSecrets(root, 'inventory/secrets.yaml', 6)).toEqual({ files: files.slice(0, 1), isComplete: false })
})

test('secrets edit offers to edit again if the file cannot be written, and saves the text otherwise', { timeout: 30_000 }, async () => {
  const { root, open } = await projectWith({})
  mkdirSync(join(root, 'inventory'))
  const editor = join(root, 'editor')
  // A directory takes the place of the file while the editor is open.
  writeFileSync(editor, `#!/bin/sh\ncat "$1" >>${root}/seen; printf 'a: typed\\n' >"$1"; mkdir -p ${root}/inventory/secrets.yaml\n`, {
    mode: 0o755,
  })
  const env = { PROVISION_AGE_KEY_FILE: join(root, 'age.txt'), EDITOR: editor, HOME: root }
  const answers = ['', 'n']
  const contextWith = (ask?: (question: string) => Promise<string>) =>
    testContext({ directory: root, env, ...(ask === undefined ? {} : { ask }) })
  const edit = (context: ReturnType<typeof testContext>) => command.run({ positionals: ['edit'], rest: [], values: {} as never }, context)

  const failing = contextWith(async () => answers.shift() ?? '')
  await expect(edit(failing)).rejects.toMatchObject({ why: 'it is not a regular file' })
  expect(answers).toEqual([])
  expect(readFileSync(join(root, 'seen'), 'utf8')).toMatch(/a: typed\n$/)
  const [, file = ''] = /Show it: provision secrets view (\S+)/.exec(failing.output.err) ?? []
  expect(await open(relative(root, file))).toBe('a: typed\n')

  rmSync(join(root, 'inventory/secrets.yaml'), { recursive: true })
  const repaired = contextWith(async () => {
    rmSync(join(root, 'inventory/secrets.yaml'), { recursive: true })
    writeFileSync(editor, `#!/bin/sh\nprintf 'b: again\\n' >>"$1"\n`)
    return 'y'
  })
  expect(await edit(repaired)).toBe(0)
  expect(await open('inventory/secrets.yaml')).toBe('a: typed\nb: again\n')
})

test.each([{}, { EDITOR: 'nano' }, { EDITOR: 'cat', VISUAL: '/usr/bin/vim -u NONE' }, { EDITOR: 'emacs -nw' }])(
  'secrets edit without a terminal is refused at once with the editor of %j, and creates nothing',
  async (editors) => {
    const root = project({})
    const context = testContext({ directory: root, env: { HOME: root, PATH: process.env.PATH, ...editors } })
    await expect(command.run({ positionals: ['edit'], rest: [], values: {} }, context)).rejects.toMatchObject({
      class: 'input',
      what: expect.stringContaining('needs a terminal, and none is attached'),
    })
    expect(readdirSync(root)).toEqual([])
  },
)

test('secrets edit without a terminal runs a program that changes the file, with empty input', async () => {
  const root = project({})
  mkdirSync(join(root, 'inventory'))
  const env = { HOME: root, PATH: process.env.PATH, EDITOR: 'cat >/dev/null; printf "a: b\\n" >' }
  const context = testContext({ directory: root, env })
  expect(await command.run({ positionals: ['edit'], rest: [], values: {} }, context)).toBe(0)
  expect((await readSecrets({ root, path: 'inventory/secrets.yaml', env }))?.reveal()).toBe('a: b\n')
})
