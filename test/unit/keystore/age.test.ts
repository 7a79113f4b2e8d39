import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { decrypt, encrypt, generateIdentity, isEncrypted, recipientOf } from '../../../src/keystore/age.ts'
import { ageKeyFile, ensureAgeKey, loadAgeIdentities, RECIPIENTS, recipientsOf } from '../../../src/keystore/age-key.ts'
import { recipientsFor } from '../../../src/keystore/renewal.ts'

let root: string
let env: Record<string, string>
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'provision-age-'))
  env = { PROVISION_AGE_KEY_FILE: join(root, 'home', 'age.txt') }
})
afterEach(() => rmSync(root, { recursive: true }))

const where = { file: 'inventory/secrets.yaml' }

test('a file for two recipients is decrypted by either, and by no other key', async () => {
  const [one, two, stranger] = [await generateIdentity(), await generateIdentity(), await generateIdentity()]
  const bytes = await encrypt('password: geheim\n', [await recipientOf(one), await recipientOf(two)])
  expect(isEncrypted(bytes)).toBe(true)
  expect(Buffer.from(bytes).toString()).not.toContain('geheim')
  for (const identity of [one, two]) expect(Buffer.from(await decrypt(bytes, [identity], where)).toString()).toBe('password: geheim\n')
  await expect(decrypt(bytes, [stranger], where)).rejects.toThrow('inventory/secrets.yaml: file cannot be decrypted with your age key')
})

test('a damaged file is reported as damaged', async () => {
  const identity = await generateIdentity()
  const bytes = Buffer.from(await encrypt('a', [await recipientOf(identity)]))
  const cut = Buffer.from(bytes.toString().replace(/\n[^\n]+\n(-----END)/, '\n$1'))
  await expect(decrypt(cut, [identity], where)).rejects.toThrow('encrypted file is damaged')
})

test('plain text is not treated as an encrypted file', () => {
  expect(isEncrypted(Buffer.from('password: geheim\n'))).toBe(false)
})

test('a missing key is created, readable by its owner only, and used from then on', async () => {
  const first = await ensureAgeKey(root, env)
  expect(statSync(ageKeyFile(env)).mode & 0o777).toBe(0o600)
  const again = await ensureAgeKey(root, env)
  expect(again.identities.map((identity) => identity.reveal())).toEqual(first.identities.map((identity) => identity.reveal()))
  expect(again.recipients).toEqual(first.recipients)
  expect(readFileSync(join(root, RECIPIENTS), 'utf8')).toContain(first.recipients[0])
})

test('two concurrent runs get one key', async () => {
  const [one, two] = await Promise.all([ensureAgeKey(root, env), ensureAgeKey(root, env)])
  expect(one.recipients).toEqual(two.recipients)
})

test('reading creates nothing', async () => {
  expect(await recipientsOf(root)).toEqual([])
  expect(() => loadAgeIdentities(env)).toThrow('age key file does not exist')
  expect(existsSync(ageKeyFile(env))).toBe(false)
})

test('a key that is readable by others is refused', async () => {
  await ensureAgeKey(root, env)
  chmodSync(ageKeyFile(env), 0o640)
  expect(() => loadAgeIdentities(env)).toThrow('age key file is readable by other accounts')
})

test('a second administrator is not added automatically', async () => {
  await ensureAgeKey(root, env)
  const other = { PROVISION_AGE_KEY_FILE: join(root, 'other', 'age.txt') }
  await expect(ensureAgeKey(root, other)).rejects.toThrow('not among the recipients')
})

test('an invalid line among the recipients is reported with its place', async () => {
  await ensureAgeKey(root, env)
  writeFileSync(join(root, RECIPIENTS), '# us\nage1nonsense\n')
  await expect(recipientsOf(root)).rejects.toThrow('identities/recipients.txt:2:1: line is not an age recipient')
})

test.each([
  ['a named pipe', (path: string) => void execFileSync('mkfifo', [path])],
  ['an endless file', (path: string) => symlinkSync('/dev/zero', path)],
  ['a large file', (path: string) => writeFileSync(path, '#'.repeat(65_537))],
  ['a directory', (path: string) => void mkdirSync(path)],
])('%s in place of a file of recipients is refused at once', async (_, make) => {
  mkdirSync(join(root, 'identities'))
  for (const file of [RECIPIENTS, 'identities/renewal-recipients.txt']) make(join(root, file))
  await expect(recipientsOf(root)).rejects.toThrow('identities/recipients.txt: file is not a regular file of at most 64 KB')
  expect(() => recipientsFor(root, 'acme-letsencrypt', [])).toThrow('renewal-recipients.txt: file is not a regular file')
})

test('a file of recipients may be a link', async () => {
  const one = await recipientOf(await generateIdentity())
  mkdirSync(join(root, 'identities'))
  writeFileSync(join(root, 'shared.txt'), `${one}\n`)
  symlinkSync('../shared.txt', join(root, RECIPIENTS))
  expect(await recipientsOf(root)).toEqual([one])
})
