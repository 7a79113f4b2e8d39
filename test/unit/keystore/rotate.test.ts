import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { decrypt, encrypt, generateIdentity, recipientOf } from '../../../src/keystore/age.ts'
import { ensureAgeKey, RECIPIENTS } from '../../../src/keystore/age-key.ts'
import { rotate } from '../../../src/keystore/rotate.ts'
import { sealedKey } from '../../../src/keystore/sealed-key.ts'
import { readSecrets } from '../../../src/site/read.ts'

const SECRETS = 'inventory/secrets.yaml'

const rotateAll = async (root: string, env: { readonly PROVISION_AGE_KEY_FILE: string }) => {
  const text = await readSecrets({ root, path: SECRETS, env })
  if (text === undefined) throw new Error('no secrets')
  return rotate(root, env, [{ file: SECRETS, text, replace: (bytes) => writeFileSync(join(root, SECRETS), bytes) }])
}

const withTwo = async () => {
  const root = mkdtempSync(join(tmpdir(), 'provision-rotate-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  const env = { PROVISION_AGE_KEY_FILE: join(root, 'age.txt') }
  const mine = await ensureAgeKey(root, env)
  const [she, renewer] = await Promise.all([generateIdentity(), generateIdentity()])
  await sealedKey(root, env, 'authority-metrics-1', '').make()
  await sealedKey(root, env, 'acme-example-1', '').make()
  mkdirSync(join(root, 'inventory'))
  writeFileSync(join(root, SECRETS), await encrypt('password: geheim\n', mine.recipients))
  const recipients = [...mine.recipients, await recipientOf(she)]
  writeFileSync(join(root, RECIPIENTS), `# us two\n${recipients.join('\n')}\n`)
  writeFileSync(join(root, 'identities/renewal-recipients.txt'), `${await recipientOf(renewer)}\n`)
  const open = (file: string, who: typeof she) =>
    decrypt(readFileSync(join(root, file)), [who], { file }).then((bytes) => Buffer.from(bytes).toString())
  return { root, env, she, renewer, recipients, open, mine }
}

test('an added recipient decrypts everything, and a removed one nothing that is written afterwards', async () => {
  const { root, env, she, open, recipients, mine } = await withTwo()
  await expect(open(SECRETS, she)).rejects.toThrow('file cannot be decrypted with your age key')
  const before = readFileSync(join(root, SECRETS))
  const rotated = await rotateAll(root, env)
  expect(rotated).toEqual({ files: [SECRETS, 'identities/acme-example-1.age', 'identities/authority-metrics-1.age'], recipients })
  for (const file of rotated.files) expect(await open(file, she)).toMatch(/geheim|PRIVATE KEY/)
  expect(readFileSync(join(root, SECRETS))).not.toEqual(before)
  expect(statSync(join(root, 'identities/authority-metrics-1.age')).mode & 0o777).toBe(0o600)

  writeFileSync(join(root, RECIPIENTS), `${mine.recipients[0]}\n`)
  await rotateAll(root, env)
  await expect(open(SECRETS, she)).rejects.toThrow('file cannot be decrypted with your age key')
  expect(await open(SECRETS, mine.identities[0] as never)).toBe('password: geheim\n')
})

test('a renewal recipient still decrypts the renewal keys, and nothing else', async () => {
  const { root, env, renewer, open } = await withTwo()
  await rotateAll(root, env)
  expect(await open('identities/acme-example-1.age', renewer)).toContain('PRIVATE KEY')
  await expect(open(SECRETS, renewer)).rejects.toThrow('cannot be decrypted')
  await expect(open('identities/authority-metrics-1.age', renewer)).rejects.toThrow('cannot be decrypted')
})

test('nothing is written if one of the files cannot be decrypted', async () => {
  const { root, env } = await withTwo()
  const foreign = await encrypt('x', [await recipientOf(await generateIdentity())])
  writeFileSync(join(root, 'identities/authority-zone-1.age'), foreign)
  const before = readFileSync(join(root, SECRETS))
  await expect(rotateAll(root, env)).rejects.toThrow('identities/authority-zone-1.age')
  expect(readFileSync(join(root, SECRETS))).toEqual(before)
})
