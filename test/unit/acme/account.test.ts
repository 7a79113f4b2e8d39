import { createHash, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import acme from 'acme-client'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openIdentities } from '../../../src/identities.ts'
import type { AcmeOptions } from '../../../src/keystore/identities.ts'
import { type FaultyAuthority, faultyAuthority } from '../../e2e/support/services/faulty-authority.ts'
import { problemOf } from '../problem-of.ts'

let authority: FaultyAuthority
let port = 0
let root = ''
beforeAll(async () => {
  const free = createServer().listen(0, '127.0.0.1')
  await once(free, 'listening')
  port = (free.address() as AddressInfo).port
  free.close()
  authority = await faultyAuthority('127.0.0.1', port)
})
afterAll(() => authority.close())
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'provision-account-'))
  writeFileSync(join(root, 'ca.pem'), authority.ca)
  Object.assign(authority, { lie: 'none', challenges: undefined })
  authority.requests.splice(0)
})
afterEach(() => rmSync(root, { recursive: true }))

const NAMES = ['www.example.test', '*.example.test']
const url = (path = 'dir'): string => `https://127.0.0.1:${port}/${path}`
const requestFor = async (names: readonly string[]): Promise<string> =>
  String((await acme.crypto.createCsr({ altNames: [...names] }, await acme.crypto.createPrivateEcdsaKey()))[1])

/** An account of a new project. Its order returns the chain; `doing` has the progress. */
const accountWith = async (options: Partial<AcmeOptions> = {}) => {
  const identities = await openIdentities(root, { PROVISION_AGE_KEY_FILE: join(root, 'age.txt') })
  const account = identities.acmeAccount({ directory: url(), caFile: 'ca.pem', ...options })
  for (const { key } of identities.missing()) await identities.make(key)
  const doing: string[] = []
  const order = async (names = NAMES) =>
    identities.issue(account.key, { request: await requestFor(names), names }, (what) => doing.push(what))
  return { account, doing, order }
}
const history = (): readonly { directory: string; names: readonly string[]; outcome: string }[] =>
  JSON.parse(readFileSync(join(root, '.provision/acme-asked.json'), 'utf8'))
const paths = (): readonly string[] => authority.requests.map(({ path }) => path)

/** The user's command that publishes records, as a file of the project. */
const hook = (more = ''): readonly string[] => {
  writeFileSync(join(root, 'dns.sh'), `#!/bin/sh\necho "$@" >>${join(root, 'records')}\n${more}`)
  chmodSync(join(root, 'dns.sh'), 0o755)
  return ['./dns.sh', '--zone']
}
const records = (): readonly string[] => readFileSync(join(root, 'records'), 'utf8').trim().split('\n')

describe('an account', () => {
  it('orders the names of the site, and records what was issued', async () => {
    const { order } = await accountWith({ contact: 'ops@example.test' })
    expect(new X509Certificate(await order()).subjectAltName).toBe('DNS:www.example.test, DNS:*.example.test')
    expect(authority.requests.find(({ path }) => path === '/account')?.payload).toEqual({
      ...{ termsOfServiceAgreed: true, contact: ['mailto:ops@example.test'] },
    })
    expect(history()).toMatchObject([{ directory: url(), names: NAMES, outcome: 'issued' }])
    await order()
    expect(history()).toHaveLength(2)
  })

  it('tries another directory before its first order, once', async () => {
    const { order, doing } = await accountWith({ tryFirst: url('dir?trial') })
    await order()
    expect(doing[0]).toBe(`testing the order at ${url('dir?trial')} first`)
    expect(history().map(({ directory }) => directory)).toEqual([url('dir?trial'), url()])
    await order()
    expect(history().map(({ directory }) => directory)).toEqual([url('dir?trial'), url(), url()])
    const again = await accountWith({ tryFirst: url('dir?trial') })
    await again.order()
    expect(
      history()
        .slice(3)
        .map(({ directory }) => directory),
    ).toEqual([url()])
  })

  it('orders nothing if the trial fails', async () => {
    const { order } = await accountWith({ tryFirst: url('dir?trial') })
    authority.lie = 'garbage'
    await expect(order()).rejects.toMatchObject({ where: { resource: `acme-account:${url('dir?trial')}` } })
    expect(paths().filter((path) => path === '/dir')).toEqual([])
    authority.lie = 'none'
    await order()
    expect(history().map(({ directory }) => directory)).toEqual([url('dir?trial'), url()])
  })

  it('asks an authority that cannot be reached only once in a run', async () => {
    const { order } = await accountWith({ directory: 'https://127.0.0.1:1/dir' })
    const first = await order().catch((error: unknown) => error)
    expect(first).toMatchObject({ what: 'certificate authority at 127.0.0.1:1 cannot be reached' })
    expect(await order().catch((error: unknown) => error)).toBe(first)
  })

  it.each([
    [{ tryFirst: 'letsencrypt-stagin' }, /"letsencrypt-stagin" is not an ACME directory/],
    [{ directory: 'http://127.0.0.1/dir' }, /"http:\/\/127\.0\.0\.1\/dir" is not an ACME directory/],
    [{ caFile: 'none.pem' }, /file of acme\.ca_file cannot be read/],
    [{ caFile: 'age.txt' }, /file of acme\.ca_file contains no certificate/],
    [{ caFile: '.' }, /file of acme\.ca_file cannot be read/],
  ])('is an input error with %o', async (options, what) => {
    writeFileSync(join(root, 'age.txt'), '# nothing\n')
    expect(await problemOf(accountWith(options))).toMatchObject({ class: 'input', what: expect.stringMatching(what) })
  })

  it('does not lose a certificate if the history cannot be written', async () => {
    writeFileSync(join(root, '.provision'), 'a file')
    const { order, doing } = await accountWith()
    expect(await order()).toContain('BEGIN CERTIFICATE')
    expect(doing.at(-1)).toContain('.provision')
  })

  it('counts a history that cannot be read as empty', async () => {
    const { order } = await accountWith()
    await order()
    writeFileSync(join(root, '.provision/acme-asked.json'), '[{"directory":1,"names":[],"at":2},{"directory":"x"},null,7]')
    await order()
    expect(history()).toHaveLength(1)
  })
})

describe('the validation of names', () => {
  it('answers a challenge of HTTP-01 for every name that is not valid yet', async () => {
    const { order, doing } = await accountWith()
    authority.challenges = ['dns-01', 'http-01']
    await order(['www.example.invalid', 'example.invalid'])
    expect(
      paths()
        .filter((path) => path.includes('challenge'))
        .sort(),
    ).toEqual(['/challenge/0/http-01', '/challenge/1/http-01'])
    expect(doing).toContain('validating www.example.invalid, example.invalid')
  })

  it('publishes the digest of the answer for DNS-01, wildcards included, and removes it', async () => {
    const { order, account } = await accountWith({ dnsHook: hook() })
    authority.challenges = ['http-01', 'dns-01']
    await order()
    expect(
      paths()
        .filter((path) => path.includes('challenge'))
        .sort(),
    ).toEqual(['/challenge/0/dns-01', '/challenge/1/dns-01'])
    // RFC 8555, 8.4: the SHA-256 of token and thumbprint.
    const value = (token: string) => createHash('sha256').update(`${token}.${account.thumbprint.get()}`).digest('base64url')
    const published = [`_acme-challenge.www.example.test ${value('token-0')}`, `_acme-challenge.example.test ${value('token-1')}`]
    expect(records()).toEqual([...published.map((one) => `--zone add ${one}`), ...published.map((one) => `--zone remove ${one}`)])
  })

  it.each([
    ['http-01', undefined, /open their port 80/],
    ['dns-01', ['true'], /acme\.dns_hook/],
  ])('that the authority rejects is a problem with its words: %s', async (type, dnsHook, fix) => {
    const { order } = await accountWith({ dnsHook })
    Object.assign(authority, { lie: 'invalid', challenges: [type] })
    await expect(order(['*.example.invalid', 'example.invalid'])).rejects.toMatchObject({
      ...{ what: 'certificate authority could not validate the names', why: '*.example.invalid: wrong answer' },
      where: { host: 'controller', resource: `acme-account:${url()}` },
      fix: expect.stringMatching(fix),
    })
    expect(history()).toMatchObject([{ names: ['*.example.invalid'], outcome: 'failed' }])
  })

  it.each([
    ['http-01', 'dns-01', undefined],
    ['dns-01', 'http-01', ['true']],
  ])('needs a challenge of %s', async (needed, offered, dnsHook) => {
    const { order } = await accountWith({ dnsHook })
    authority.challenges = [offered]
    await expect(order(['example.invalid'])).rejects.toMatchObject({
      why: `example.invalid: the authority offers no ${needed.toUpperCase()} challenge for it`,
    })
    expect(paths().filter((path) => path.includes('challenge'))).toEqual([])
  })
})
