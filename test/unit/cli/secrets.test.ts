import { lstatSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { expect, test } from 'vitest'
import { otherSecrets } from '../../../src/cli/other-secrets.ts'
import { command } from '../../../src/cli/secrets.ts'
import { decrypt, encrypt } from '../../../src/keystore/age.ts'
import { ensureAgeKey } from '../../../src/keystore/age-key.ts'
import { project } from '../site/project.ts'
import { surroundings } from './surroundings.ts'

/** A project with encrypted files, and `secrets rotate` in it. */
const projectWith = async (secrets: Readonly<Record<string, string>>) => {
  const root = project({})
  const env = { PROVISION_AGE_KEY_FILE: join(root, 'age.txt') }
  const { identities, recipients } = await ensureAgeKey(root, env)
  for (const [path, text] of Object.entries(secrets)) {
    mkdirSync(join(root, path, '..'), { recursive: true })
    writeFileSync(join(root, path), await encrypt(text, recipients))
  }
  const rotate = async (inventory?: string): Promise<string> => {
    const around = surroundings({ directory: root, env })
    const values = inventory === undefined ? {} : { inventory }
    expect(await command.run({ positionals: ['rotate'], rest: [], values: values as never }, around)).toBe(0)
    return around.said.err
  }
  const bytes = (path: string): string => readFileSync(join(root, path), 'latin1')
  const open = async (path: string): Promise<string> =>
    Buffer.from(await decrypt(readFileSync(join(root, path)), identities, { file: path })).toString()
  return { root, rotate, bytes, open }
}

test.each([
  ['is long', 'inventory', `long: ${'x'.repeat(70_000)}\n`],
  ['is named by an absolute path', undefined, 'a: b\n'],
])('secrets rotate encrypts a file anew that %s', async (_, inventory, text) => {
  const { root, rotate, bytes, open } = await projectWith({ 'inventory/secrets.yaml': text })
  const before = bytes('inventory/secrets.yaml')
  expect(await rotate(inventory ?? join(root, 'inventory'))).toContain('inventory/secrets.yaml\n')
  expect(bytes('inventory/secrets.yaml')).not.toBe(before)
  expect(await open('inventory/secrets.yaml')).toBe(text)
})

test('secrets rotate follows a link to the file, and leaves the link', async () => {
  const { root, rotate, bytes, open } = await projectWith({ 'shared/all.yaml': 'a: b\n' })
  mkdirSync(join(root, 'inventory'))
  symlinkSync('../shared/all.yaml', join(root, 'inventory/secrets.yaml'))
  const before = bytes('shared/all.yaml')
  await rotate()
  expect(lstatSync(join(root, 'inventory/secrets.yaml')).isSymbolicLink()).toBe(true)
  expect(bytes('shared/all.yaml')).not.toBe(before)
  expect(await open('shared/all.yaml')).toBe('a: b\n')
})

test('secrets rotate refuses a file in the clear in words, and says how to encrypt it', async () => {
  const { root, rotate } = await projectWith({})
  mkdirSync(join(root, 'inventory'))
  writeFileSync(join(root, 'inventory/secrets.yaml'), 'a: b\n')
  await expect(rotate()).rejects.toMatchObject({ what: 'this file shall hold secrets and is not encrypted' })
})

test('secrets rotate names what it did not touch, and the command that does', async () => {
  const { rotate, bytes } = await projectWith({
    'inventory/secrets.yaml': 'a: b\n',
    'staging/secrets.yaml': 'a: b\n',
    'sites/of us/secrets.yaml': 'a: b\n',
    'secrets.yaml': 'a: b\n',
  })
  const before = bytes('staging/secrets.yaml')
  const said = await rotate()
  expect(said).toContain(`Not touched, so that whoever could open them still can:
  secrets.yaml: provision secrets rotate -i .
  sites/of us/secrets.yaml: provision secrets rotate -i 'sites/of us'
  staging/secrets.yaml: provision secrets rotate -i staging
`)
  expect(bytes('staging/secrets.yaml')).toBe(before)
  const then = await rotate('staging')
  expect(bytes('staging/secrets.yaml')).not.toBe(before)
  expect(then).toContain('  inventory/secrets.yaml: provision secrets rotate -i inventory\n')
  expect(then).not.toContain('-i staging')
})

test('secrets rotate says nothing of others where there are none', async () => {
  const { rotate } = await projectWith({ 'inventory/secrets.yaml': 'a: b\n' })
  expect(await rotate()).toMatch(/change those secrets too\.\n$/)
})

test('other secrets are searched for without following a link to a directory, in nothing hidden or installed, and not for ever', async () => {
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
  expect(otherSecrets(root, 'inventory/secrets.yaml')).toEqual({ files, all: true })
  expect(otherSecrets(root, 'inventory/secrets.yaml', 6)).toEqual({ files: files.slice(0, 1), all: false })
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
  const around = (ask?: (question: string) => Promise<string>) =>
    surroundings({ directory: root, env, ...(ask === undefined ? {} : { ask }) })
  const edit = (around: ReturnType<typeof surroundings>) => command.run({ positionals: ['edit'], rest: [], values: {} as never }, around)

  const refused = around(async () => answers.shift() ?? '')
  await expect(edit(refused)).rejects.toMatchObject({ why: 'it is not a regular file' })
  expect(answers).toEqual([])
  expect(readFileSync(join(root, 'seen'), 'utf8')).toMatch(/a: typed\n$/)
  const [, file = ''] = /Show it: provision secrets view (\S+)/.exec(refused.said.err) ?? []
  expect(await open(relative(root, file))).toBe('a: typed\n')

  rmSync(join(root, 'inventory/secrets.yaml'), { recursive: true })
  const mended = around(async () => {
    rmSync(join(root, 'inventory/secrets.yaml'), { recursive: true })
    writeFileSync(editor, `#!/bin/sh\nprintf 'b: again\\n' >>"$1"\n`)
    return 'y'
  })
  expect(await edit(mended)).toBe(0)
  expect(await open('inventory/secrets.yaml')).toBe('a: typed\nb: again\n')
})
