import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { accountStore } from '../../../src/acme/account-store.ts'
import { directoryName, directoryUrl } from '../../../src/acme/directory.ts'
import { thumbprintOf } from '../../../src/acme/thumbprint.ts'
import { problemOf } from '../problem-of.ts'

let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'provision-store-'))
})
afterEach(() => rmSync(root, { recursive: true }))

const storeOf = (directory = 'letsencrypt') => accountStore(root, { PROVISION_AGE_KEY_FILE: join(root, 'age.txt') }, directory)
const PUBLIC = 'identities/acme-letsencrypt.json'
const publicPart = (): Record<string, unknown> => JSON.parse(readFileSync(join(root, PUBLIC), 'utf8'))
const publish = (part: unknown): void => writeFileSync(join(root, PUBLIC), typeof part === 'string' ? part : JSON.stringify(part))

describe('the files of an account', () => {
  it('are an encrypted key, and the directory with the thumbprint of the key', async () => {
    const store = storeOf()
    expect(store.thumbprint()).toBeUndefined()
    await store.make()
    const thumbprint = thumbprintOf((await store.key()).reveal())
    expect(publicPart()).toEqual({ directory: 'letsencrypt', thumbprint })
    expect(store.thumbprint()).toBe(thumbprint)
    expect(readFileSync(join(root, 'identities/acme-letsencrypt.age'), 'utf8')).toMatch(/^-----BEGIN AGE ENCRYPTED FILE-----/)
  })

  it('are completed after an interruption, with the same key', async () => {
    const store = storeOf()
    await store.make()
    const key = (await store.key()).reveal()
    rmSync(join(root, PUBLIC))
    expect(store.thumbprint()).toBeUndefined()
    expect((await store.key()).reveal()).toBe(key)
    await store.make()
    expect(store.thumbprint()).toBe(thumbprintOf(key))
  })

  it('are a problem if the key is missing', async () => {
    await storeOf().make()
    rmSync(join(root, 'identities/acme-letsencrypt.age'))
    const problem = await problemOf(() => storeOf().thumbprint())
    expect(problem.what).toContain(`although ${PUBLIC} exists`)
    expect(problem.fix).toContain(`run: rm ${PUBLIC}`)
  })

  it('are a problem if they do not belong together', async () => {
    await storeOf().make()
    publish({ ...publicPart(), thumbprint: 'x'.repeat(43) })
    expect(await problemOf(() => storeOf().key())).toMatchObject({
      where: { file: PUBLIC },
      what: expect.stringContaining('does not belong to the key in identities/acme-letsencrypt.age'),
    })
  })

  it.each<[string, (part: Record<string, unknown>) => unknown]>([
    ['another directory', (part) => ({ ...part, directory: 'letsencrypt-staging' })],
    ['no thumbprint', ({ directory }) => ({ directory })],
    ['a number', (part) => ({ ...part, thumbprint: 7 })],
    ['a short thumbprint', (part) => ({ ...part, thumbprint: 'x'.repeat(42) })],
    ['a long thumbprint', (part) => ({ ...part, thumbprint: 'x'.repeat(44) })],
    ['lines of HAProxy', (part) => ({ ...part, thumbprint: `${'x'.repeat(42)}\n` })],
    ['null', () => null],
    ['a text', () => '"text"'],
    ['nothing', () => ''],
  ])('are a problem if the public one has %s', async (_, damage) => {
    await storeOf().make()
    publish(damage(publicPart()))
    expect(await problemOf(() => storeOf().thumbprint())).toMatchObject({
      where: { file: PUBLIC },
      what: expect.stringContaining('does not describe the account at letsencrypt'),
      fix: `delete it: rm ${PUBLIC}; the next run writes it from the key`,
    })
  })

  it('remember a successful trial', async () => {
    const store = storeOf()
    expect(store.wasTried()).toBe(false)
    await store.make()
    expect(store.wasTried()).toBe(false)
    const thumbprint = store.thumbprint()
    store.noteTried()
    expect([store.wasTried(), store.thumbprint()]).toEqual([true, thumbprint])
    publish({ ...publicPart(), tried: 'yes' })
    expect(store.wasTried()).toBe(false)
  })

  it('have names of their own for every directory', async () => {
    const long = `https://acme.example.test:9000/${'a/'.repeat(60)}`
    const directories = ['letsencrypt', 'https://ca.test/dir', 'https://ca.test/dir/', 'https://ca-test/dir', long, `${long}b`]
    for (const directory of directories) await storeOf(directory).make()
    const names = readdirSync(join(root, 'identities')).filter((name) => name.endsWith('.json'))
    expect(names).toHaveLength(directories.length)
    expect(names).toContain('acme-letsencrypt.json')
    expect(names.filter((name) => /^acme-ca\.test-dir-?-[0-9a-f]{8}\.json$/.test(name))).toHaveLength(2)
    for (const name of names) expect(name).toMatch(/^acme-[A-Za-z0-9.-]{1,69}\.json$/)
  })
})

describe('a directory', () => {
  it.each([
    ['letsencrypt', 'https://acme-v02.api.letsencrypt.org/directory', 'letsencrypt'],
    ['letsencrypt-staging', 'https://acme-staging-v02.api.letsencrypt.org/directory', 'letsencrypt-staging'],
    ['https://acme-v02.api.letsencrypt.org/directory', 'https://acme-v02.api.letsencrypt.org/directory', 'letsencrypt'],
    ['https://CA.test/dir', 'https://ca.test/dir', 'https://ca.test/dir'],
  ])('%s is at %s, and is called %s', (directory, url, name) => {
    expect(directoryUrl(directory)).toBe(url)
    expect(directoryName(url)).toBe(name)
  })

  it.each(['http://ca.test/dir', 'ca.test/dir', 'letsencrypt2', ''])('cannot be %j', (directory) => {
    expect(directoryUrl(directory)).toBeUndefined()
  })
})
