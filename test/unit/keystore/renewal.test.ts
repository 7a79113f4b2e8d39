import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { decrypt, encrypt, generateIdentity, recipientOf } from '../../../src/keystore/age.ts'
import { ensureAgeKey } from '../../../src/keystore/age-key.ts'
import { recipientsFor, recipientsForSecrets, renewerCount, secretsOfRenewer, setRenewer } from '../../../src/keystore/renewal.ts'
import { sealedKey } from '../../../src/keystore/sealed-key.ts'
import { Secret } from '../../../src/secret/secret.ts'
import { problemOf } from '../problem-of.ts'

let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'provision-renewal-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

it('an additional recipient decrypts the renewal keys, old and new, and nothing else, until it is removed', async () => {
  const person = { HOME: root, PROVISION_AGE_KEY_FILE: join(root, 'person.txt') }
  const machine = { HOME: root, PROVISION_AGE_KEY_FILE: join(root, 'machine.txt') }
  const identity = await generateIdentity()
  writeFileSync(machine.PROVISION_AGE_KEY_FILE, `${identity.reveal()}\n`, { mode: 0o600 })
  const recipient = await recipientOf(identity)
  const open = (env: typeof person, name: string) => sealedKey(root, env, name, 'another').open()

  for (const name of ['acme-letsencrypt', 'authority-database-1']) await sealedKey(root, person, name, 'another').make()
  const before = (await open(person, 'acme-letsencrypt')).reveal()
  await setRenewer(root, person, recipient, { permitted: true, secrets: [] })
  await setRenewer(root, person, recipient, { permitted: true, secrets: [] })
  await sealedKey(root, person, 'authority-edge-1', 'another').make()

  for (const name of ['acme-letsencrypt', 'authority-edge-1']) {
    expect((await open(machine, name)).reveal()).toBe((await open(person, name)).reveal())
  }
  expect((await open(person, 'acme-letsencrypt')).reveal()).toBe(before)
  await expect(open(machine, 'authority-database-1')).rejects.toThrow('file cannot be decrypted with your age key')
  expect(recipientsFor(root, 'authority-database-1', ['age1person'])).toEqual(['age1person'])
  expect(readFileSync(join(root, 'identities/recipients.txt'), 'utf8')).not.toContain(recipient)

  await setRenewer(root, person, recipient, { permitted: false, secrets: [] })
  await expect(open(machine, 'acme-letsencrypt')).rejects.toThrow('file cannot be decrypted with your age key')
  expect((await open(person, 'acme-letsencrypt')).reveal()).toBe(before)
})

it('an additional recipient decrypts the files of secrets that are permitted, and those only', async () => {
  const person = { PROVISION_AGE_KEY_FILE: join(root, 'person.txt') }
  const { recipients } = await ensureAgeKey(root, person)
  const [one, two] = [await generateIdentity(), await generateIdentity()]
  const [first, second] = [await recipientOf(one), await recipientOf(two)]
  const written = new Map<string, Uint8Array>()
  const secret = (file: string) => ({
    file,
    text: new Secret(`of ${file}`, true),
    replace: (bytes: Uint8Array) => void written.set(file, bytes),
  })
  await setRenewer(root, person, first, { permitted: true, secrets: [secret(join(root, 'inventory/secrets.yaml')), secret('more.yaml')] })
  await setRenewer(root, person, second, { permitted: true, secrets: [secret('more.yaml')] })
  const path = join(root, 'identities/renewal-recipients.txt')
  const [, , ...lines] = readFileSync(path, 'utf8').split('\n')
  expect(lines).toEqual([first, `${first} inventory/secrets.yaml`, `${first} more.yaml`, second, `${second} more.yaml`, ''])
  expect(readFileSync(path, 'utf8')).toMatch(/^# Additional recipients .*\n# Written by provision schedule\.\n/)
  expect(statSync(path).mode & 0o777).toBe(0o644)
  expect([renewerCount(root), secretsOfRenewer(root, first), secretsOfRenewer(root, second)]).toEqual([
    2,
    ['inventory/secrets.yaml', 'more.yaml'],
    ['more.yaml'],
  ])
  expect(recipientsForSecrets(root, './more.yaml', recipients)).toEqual([...recipients, first, second])
  expect(recipientsForSecrets(root, join(root, 'inventory/secrets.yaml'), [...recipients, first])).toEqual([...recipients, first])
  expect(recipientsForSecrets(root, 'other.yaml', recipients)).toEqual(recipients)
  const text = await decrypt(written.get('more.yaml') ?? new Uint8Array(), [two], { file: 'more.yaml' })
  expect(Buffer.from(text).toString()).toBe('of more.yaml')

  await setRenewer(root, person, first, { permitted: false, secrets: [secret('more.yaml')] })
  expect([renewerCount(root), secretsOfRenewer(root, first)]).toEqual([1, []])
  await expect(decrypt(written.get('more.yaml') ?? new Uint8Array(), [one], { file: 'more.yaml' })).rejects.toThrow('cannot be decrypted')
})

it('a renewal key is written readable by its owner only, and names of other keys decide by their beginning', async () => {
  const person = { PROVISION_AGE_KEY_FILE: join(root, 'person.txt') }
  await sealedKey(root, person, 'acme-x', 'another').make()
  const recipient = await recipientOf(await generateIdentity())
  await setRenewer(root, person, recipient, { permitted: true, secrets: [] })
  expect(statSync(join(root, 'identities/acme-x.age')).mode & 0o777).toBe(0o600)
  for (const [name, isRenewed] of [
    ['authority-edge-2', true],
    ['acme-letsencrypt', true],
    ['my-acme-x', false],
    ['authority-edges', false],
    ['authority-metrics-1', false],
  ] as const)
    expect([name, recipientsFor(root, name, ['age1person'])]).toEqual([name, isRenewed ? ['age1person', recipient] : ['age1person']])
})

it('a key is made once, and one that is lost, damaged or no key is named', async () => {
  const person = { PROVISION_AGE_KEY_FILE: join(root, 'person.txt') }
  const key = sealedKey(root, person, 'authority-x-1', 'make another')
  expect([key.file, key.exists()]).toEqual(['identities/authority-x-1.age', false])
  expect(await problemOf(key.open())).toMatchObject({ class: 'input', where: { file: key.file }, what: 'identity is missing' })
  await key.make()
  const before = readFileSync(join(root, key.file))
  await key.make()
  expect([key.exists(), readFileSync(join(root, key.file)).equals(before)]).toEqual([true, true])
  expect(statSync(join(root, key.file)).mode & 0o777).toBe(0o600)
  expect((await key.open()).reveal()).toMatch(/^-----BEGIN PRIVATE KEY-----\n[\s\S]*-----END PRIVATE KEY-----\n$/)
  expect(key.lost('identities/authority-x-1.pem')).toMatchObject({
    where: { file: key.file },
    what: 'identity is missing, although identities/authority-x-1.pem exists',
    fix: 'restore it from version control or a backup; if it is lost for good, make another (docs/recovery.md in the package provision)',
  })
  const { recipients } = await ensureAgeKey(root, person)
  const stranger = await recipientOf(await generateIdentity())
  writeFileSync(join(root, key.file), await encrypt('x', [stranger]))
  expect(await problemOf(key.open())).toMatchObject({ class: 'input', where: { file: key.file } })
  writeFileSync(join(root, 'identities/acme-x.age'), await encrypt('x', [stranger]))
  const renewer = setRenewer(root, person, stranger, { permitted: true, secrets: [] })
  expect(await problemOf(renewer)).toMatchObject({ class: 'input', where: { file: 'identities/acme-x.age' } })
  writeFileSync(join(root, key.file), await encrypt('not-a-key-but-secret', recipients))
  const problem = await problemOf(key.open())
  expect(problem).toMatchObject({ where: { file: key.file }, what: 'identity contains no private key' })
  expect(inspect(problem, { depth: 9 })).not.toContain('but-secret')
})
