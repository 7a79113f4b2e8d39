import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openIdentities } from '../../src/identities.ts'
import { problemOf } from './problem-of.ts'

const STAGING = { directory: 'letsencrypt-staging' }
const KEY = 'acme-account:letsencrypt-staging'
const [KEY_FILE, PUBLIC_FILE] = ['identities/acme-letsencrypt-staging.age', 'identities/acme-letsencrypt-staging.json']

let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'provision-identities-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const open = (who = 'alice') => openIdentities(root, { PROVISION_AGE_KEY_FILE: join(root, `${who}.txt`) })

const made = async () => {
  const identities = await open()
  const account = identities.acmeAccount(STAGING)
  await identities.make(account.key)
  return account
}

describe('an ACME account', () => {
  it('creates nothing when it is only declared', async () => {
    const identities = await open()
    const account = identities.acmeAccount(STAGING)
    expect(account.key).toBe(KEY)
    expect(account.thumbprint.get()).toBeUndefined()
    expect(identities.missing().map(({ key }) => key)).toEqual([expect.stringMatching(/^age-key:\/.*\.txt$/), KEY])
    expect(readdirSync(root)).toEqual([])
  })

  it('needs an age key, which is created once for all of them', async () => {
    const identities = await open()
    identities.acmeAccount(STAGING)
    const [first] = identities.missing()
    await identities.make(first?.key ?? '')
    expect(identities.missing().map(({ key }) => key)).toEqual([KEY])
  })

  it('is created once, encrypted, and known to earlier handles', async () => {
    const { thumbprint } = await made()
    expect(thumbprint.get()).toMatch(/^[A-Za-z0-9_-]{43}$/)
    expect(readFileSync(join(root, KEY_FILE), 'utf8')).toMatch(/^-----BEGIN AGE ENCRYPTED FILE-----/)
    expect(readdirSync(join(root, 'identities')).sort()).toEqual([
      'acme-letsencrypt-staging.age',
      'acme-letsencrypt-staging.json',
      'recipients.txt',
    ])
    const again = await open()
    expect(again.acmeAccount(STAGING).thumbprint.get()).toBe(thumbprint.get())
    expect(again.missing()).toEqual([])
  })

  it('is found without the age key: a converged run decrypts nothing', async () => {
    const { thumbprint } = await made()
    const stranger = await open('stranger')
    expect(stranger.acmeAccount(STAGING).thumbprint.get()).toBe(thumbprint.get())
  })

  it('keeps its key if a run was interrupted before the public file was written', async () => {
    const { thumbprint } = await made()
    const before = readFileSync(join(root, KEY_FILE))
    rmSync(join(root, PUBLIC_FILE))
    const identities = await open()
    const account = identities.acmeAccount(STAGING)
    expect(identities.missing()).toHaveLength(1)
    await identities.make(KEY)
    expect(account.thumbprint.get()).toBe(thumbprint.get())
    expect(readFileSync(join(root, KEY_FILE)).equals(before)).toBe(true)
  })

  it('is the same for two concurrent runs', async () => {
    const [one, other] = await Promise.all([made(), made()])
    expect(one.thumbprint.get()).toBe(other.thumbprint.get())
  })

  it('has one name for both forms of its directory', async () => {
    const identities = await open()
    const url = 'https://acme-staging-v02.api.letsencrypt.org/directory'
    expect(identities.acmeAccount({ directory: url }).key).toBe(KEY)
    const [a, b] = ['https://ca.test/a-b', 'https://ca.test/a/b'].map((directory) => identities.acmeAccount({ directory }).key)
    expect(a).not.toBe(b)
  })

  it('has different files for different URLs', async () => {
    const identities = await open()
    for (const directory of ['https://ca.test/a-b', 'https://ca.test/a/b']) await identities.make(identities.acmeAccount({ directory }).key)
    expect(readdirSync(join(root, 'identities')).filter((name) => name.endsWith('.age'))).toHaveLength(2)
  })
})

describe('an account is a problem', () => {
  it('when its key is missing: no second account is created', async () => {
    await made()
    rmSync(join(root, KEY_FILE))
    const { where, fix } = await problemOf(async () => (await open()).acmeAccount(STAGING))
    expect(where).toEqual({ file: KEY_FILE })
    expect(fix).toContain('version control')
  })

  it('when the age key cannot decrypt it', async () => {
    await made()
    writeFileSync(join(root, 'mallory.txt'), 'AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX\n', {
      mode: 0o600,
    })
    const identities = await open('mallory')
    identities.acmeAccount(STAGING)
    const { what, fix } = await problemOf(() => identities.issue(KEY, { request: '', names: [] }, () => {}))
    expect(what).toContain('cannot be decrypted')
    expect(fix).toContain('recipients.txt')
  })

  it('when there is no age key', async () => {
    await made()
    const identities = await open('nobody')
    identities.acmeAccount(STAGING)
    expect((await problemOf(() => identities.issue(KEY, { request: '', names: [] }, () => {}))).where).toEqual({
      file: join(root, 'nobody.txt'),
    })
  })

  it('when its public part belongs to another key', async () => {
    await made()
    writeFileSync(join(root, PUBLIC_FILE), JSON.stringify({ directory: 'letsencrypt-staging', thumbprint: 'A'.repeat(43) }))
    const identities = await open()
    identities.acmeAccount(STAGING)
    expect((await problemOf(() => identities.issue(KEY, { request: '', names: [] }, () => {}))).what).toContain('does not belong')
  })

  it.each([
    ['no JSON', 'x'],
    ['another directory', JSON.stringify({ directory: 'letsencrypt', thumbprint: 'A'.repeat(43) })],
    [
      'a thumbprint that would break a configuration',
      JSON.stringify({ directory: 'letsencrypt-staging', thumbprint: `${'A'.repeat(42)}"` }),
    ],
    ['a file without end', 'A'.repeat(70_000)],
  ])('when its public part is %s', async (_, text) => {
    await made()
    writeFileSync(join(root, PUBLIC_FILE), text)
    expect((await problemOf(async () => (await open()).acmeAccount(STAGING))).where).toEqual({ file: PUBLIC_FILE })
  })

  it('when its file is a directory', async () => {
    mkdirSync(join(root, PUBLIC_FILE), { recursive: true })
    expect((await problemOf(async () => (await open()).acmeAccount(STAGING))).what).toContain('is not a regular file')
  })

  it.each(['lets-encrypt', 'http://ca.test/dir', 'ftp://ca.test', ''])('if %o is not a directory', async (directory) => {
    expect((await problemOf(async () => (await open()).acmeAccount({ directory }))).fix).toContain('letsencrypt')
  })

  it('when two hosts have different options for it', async () => {
    const identities = await open()
    identities.acmeAccount({ ...STAGING, contact: 'a@example.org' })
    identities.acmeAccount({ ...STAGING, contact: 'a@example.org' })
    expect((await problemOf(() => identities.acmeAccount({ ...STAGING, contact: 'b@example.org' }))).what).toContain(
      'two hosts have different options',
    )
  })

  it.each([
    ['cannot be read', () => {}],
    ['contains no certificate', () => writeFileSync(join(root, 'ca.pem'), 'hello')],
    ['cannot be read', () => mkdirSync(join(root, 'ca.pem'))],
  ])('when ca_file %s', async (what, prepare) => {
    prepare()
    const problem = await problemOf(async () => (await open()).acmeAccount({ directory: 'https://ca.test/dir', caFile: 'ca.pem' }))
    expect(problem.where).toEqual({ file: 'ca.pem' })
    expect(problem.what).toContain(what)
  })
})
