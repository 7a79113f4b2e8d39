import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { generateIdentity, recipientOf } from '../../../src/keystore/age.ts'
import { recipientsFor, setRenewer } from '../../../src/keystore/renewal.ts'
import { sealedKey } from '../../../src/keystore/sealed-key.ts'

const root = mkdtempSync(join(tmpdir(), 'provision-renewal-'))
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
