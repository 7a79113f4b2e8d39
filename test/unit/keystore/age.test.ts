import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Encrypter } from 'age-encryption'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { decrypt, encrypt, generateIdentity, isEncrypted, recipientOf } from '../../../src/keystore/age.ts'
import { ageKeyFile, ensureAgeKey, loadAgeIdentities, RECIPIENTS, recipientsOf } from '../../../src/keystore/age-key.ts'
import { recipientsFor } from '../../../src/keystore/renewal.ts'
import { problemOf } from '../problem-of.ts'

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

test.each([
  [{ PROVISION_AGE_KEY_FILE: '/keys/age.txt', HOME: '/home/jane' }, '/keys/age.txt'],
  [{ PROVISION_AGE_KEY_FILE: '', HOME: '/home/jane' }, '/home/jane/.config/provision/age.txt'],
  [{ HOME: '/home/jane', XDG_CONFIG_HOME: '/home/jane/settings' }, '/home/jane/settings/provision/age.txt'],
  [{ HOME: '/home/jane', XDG_CONFIG_HOME: '' }, '/home/jane/.config/provision/age.txt'],
])('with %j, the key file is %s', (given, file) => {
  expect(ageKeyFile(given)).toBe(file)
})

test('a binary file of the age command is decrypted too', async () => {
  const identity = await generateIdentity()
  const encrypter = new Encrypter()
  encrypter.addRecipient(await recipientOf(identity))
  const bytes = await encrypter.encrypt('password: geheim\n')
  expect(isEncrypted(bytes)).toBe(true)
  expect(Buffer.from(await decrypt(bytes, [identity], where)).toString()).toBe('password: geheim\n')
  const armored = Buffer.concat([Buffer.from(' \n'), await encrypt('x', [await recipientOf(identity)]), Buffer.from('\n\n')])
  expect(isEncrypted(armored)).toBe(true)
  expect(Buffer.from(await decrypt(armored, [identity], where)).toString()).toBe('x')
})

test('encrypting without recipients is an error', async () => {
  await expect(encrypt('x', [])).rejects.toThrow('at least one recipient')
})

test('another key and a damaged file are different problems', async () => {
  const [mine, other] = [await generateIdentity(), await generateIdentity()]
  const bytes = await encrypt('a', [await recipientOf(mine)])
  expect(await problemOf(decrypt(bytes, [other], where))).toMatchObject({
    ...{
      class: 'input',
      where,
      why: 'the file is encrypted for other recipients',
      fix: expect.stringContaining('provision secrets rotate'),
    },
  })
  const damaged = await problemOf(decrypt(bytes.subarray(0, 60), [mine], where))
  expect(damaged).toMatchObject({ class: 'input', where, fix: 'restore it from version control or a backup' })
  expect(damaged.why).toMatch(/./)
  expect(damaged.cause).toBeInstanceOf(Error)
})

test('a key file has its public half, and a project begins with it as its recipient', async () => {
  const { identities, recipients } = await ensureAgeKey(root, env)
  const [own = ''] = recipients
  expect(readFileSync(ageKeyFile(env), 'utf8')).toMatch(
    new RegExp(`^# created: 20\\d\\d-[^\\n]*Z\\n# public key: ${own}\\n${identities[0]?.reveal()}\\n$`),
  )
  expect(statSync(join(root, 'home')).mode & 0o777).toBe(0o700)
  expect(readFileSync(join(root, RECIPIENTS), 'utf8')).toMatch(/^# Recipients who can decrypt [^\n]*\nage1[0-9a-z]+\n$/)
  expect(statSync(join(root, RECIPIENTS)).mode & 0o777).toBe(0o644)
})

test('a key file may have several keys and comments, and each of them counts', async () => {
  const [one, two] = [await generateIdentity(), await generateIdentity()]
  mkdirSync(join(root, 'home'))
  writeFileSync(ageKeyFile(env), `# mine\n  ${one.reveal()}\n\n${two.reveal()}\n`, { mode: 0o600 })
  expect(loadAgeIdentities(env).map((identity) => identity.reveal())).toEqual([one.reveal(), two.reveal()])
  mkdirSync(join(root, 'identities'))
  writeFileSync(join(root, RECIPIENTS), `# us\n\n ${await recipientOf(two)} \n`)
  expect(await recipientsOf(root)).toEqual([await recipientOf(two)])
  expect((await ensureAgeKey(root, env)).recipients).toEqual([await recipientOf(two)])
})

test('a key file without a key, or that cannot be read, is a problem at its path', async () => {
  mkdirSync(join(root, 'home'))
  writeFileSync(ageKeyFile(env), '# AGE-SECRET-KEY-1\nssh-ed25519 AAAA\n', { mode: 0o600 })
  expect(await problemOf(() => loadAgeIdentities(env))).toMatchObject({
    ...{ class: 'input', where: { file: ageKeyFile(env) }, what: 'file contains no age key', why: undefined },
  })
  const directory = { PROVISION_AGE_KEY_FILE: join(root, 'home') }
  expect(await problemOf(() => loadAgeIdentities(directory))).toMatchObject({
    ...{ where: { file: join(root, 'home') }, what: 'file cannot be read', why: expect.stringContaining('EISDIR') },
  })
})

test('a person who is not a recipient gets the line to add', async () => {
  await ensureAgeKey(root, env)
  const other = { PROVISION_AGE_KEY_FILE: join(root, 'other', 'age.txt') }
  const problem = await problemOf(ensureAgeKey(root, other))
  const [own] = await Promise.all(loadAgeIdentities(other).map(recipientOf))
  expect(problem).toMatchObject({ class: 'input', where: { file: RECIPIENTS } })
  expect(problem.fix).toContain(`add the line ${own} and ask somebody`)
})
