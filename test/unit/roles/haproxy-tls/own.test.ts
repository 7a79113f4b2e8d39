import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ownPairsOf, ownResources } from '../../../../roles/haproxy-tls/certificates/own.ts'
import { options } from '../../../../roles/haproxy-tls/options.ts'
import { sha256Hex } from '../../../../src/resource/kind/content.ts'
import { Secret } from '../../../../src/secret/secret.ts'

let directory = ''
const read = (name: string): string => readFileSync(join(directory, name), 'utf8')
const openssl = (...words: readonly string[]): unknown =>
  execFileSync('openssl', words, { cwd: directory, stdio: ['ignore', 'ignore', 'ignore'] })
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'own-certificate-'))
  openssl('req', '-x509', ...NEW_KEY, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=authority', '-days', '3650')
  for (const [name, days] of [
    ['shop', '90'],
    ['soon', '10'],
    ['old', '-1'],
  ] as const) {
    const names = 'subjectAltName=DNS:shop.example.org,DNS:*.shop.example.org'
    openssl('req', '-new', ...NEW_KEY, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', '/CN=shop.example.org', '-addext', names)
    openssl(
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-out',
      `${name}.pem`,
      '-copy_extensions',
      'copy',
      '-days',
      days,
    )
  }
})
afterAll(() => rmSync(directory, { recursive: true }))

interface Given {
  readonly names?: readonly string[]
  readonly chain?: string
  readonly key?: string
}

/** The resources of one certificate, or the error and the warnings. */
const declared = ({ names = ['shop.example.org'], chain = `${read('shop.pem')}${read('ca.pem')}`, key = read('shop.key') }: Given = {}) => {
  const given = options.parse({ certificates: [{ names, own: { chain: 'certificates/shop.pem', key: new Secret(key) } }] })
  const [pair] = ownPairsOf(given)
  if (pair === undefined) throw new Error('no pair')
  const bytes = Buffer.from(chain)
  const content = { type: 'local' as const, path: 'certificates/shop.pem', sha256: sha256Hex(bytes), size: bytes.length, open: () => bytes }
  const warnings: string[] = []
  const context = { files: () => [{ path: 'shop.pem', content }], warn: (what: string) => void warnings.push(what) }
  try {
    return { resources: ownResources(pair, context as never), warnings }
  } catch (error) {
    return { error: error as Error & { what?: string }, warnings }
  }
}

describe('a certificate of the user', () => {
  it('is a chain and a key that only root can read', () => {
    const { resources = [], warnings } = declared({ names: ['shop.example.org', '*.shop.example.org'] })
    expect(resources.map(({ id, spec }) => `${id} ${(spec as { mode: string }).mode}`)).toEqual([
      '/etc/ssl/haproxy/shop.example.org.own.pem 644',
      '/etc/ssl/haproxy/shop.example.org.own.pem.key 600',
    ])
    expect(JSON.stringify(resources)).not.toContain(read('shop.key').split('\n')[1])
    expect(warnings).toEqual([])
  })

  it.each<[string, () => Given, RegExp]>([
    ['no certificate', () => ({ chain: 'x' }), /no certificate in PEM/],
    ['a name that it lacks', () => ({ names: ['shop.example.org', 'www.example.org'] }), /is not for www\.example\.org/],
    ['a wildcard that it lacks', () => ({ names: ['*.example.org'] }), /is not for \*\.example\.org/],
    ['another key', () => ({ key: read('soon.key') }), /the key is not that of the certificate/],
    ['half a key', () => ({ key: read('shop.key').slice(0, 100) }), /not a private key in PEM/],
    [
      'a chain in the wrong order',
      () => ({ chain: `${read('shop.pem')}${read('soon.pem')}${read('ca.pem')}` }),
      /certificate 2 of the chain has not signed/,
    ],
    ['an end in the past', () => ({ chain: `${read('old.pem')}${read('ca.pem')}`, key: read('old.key') }), /expired on \d{4}-\d\d-\d\d/],
  ])('with %s is refused', (_, given, what) => {
    const { error } = declared(given())
    expect(error?.what).toMatch(what)
    expect(error?.message).not.toContain('PRIVATE KEY-----')
  })

  it('that expires soon, or whose authority is missing, is reported', () => {
    expect(declared({ chain: read('soon.pem'), key: read('soon.key') }).warnings).toEqual([
      expect.stringMatching(/^the certificate in certificates\/shop\.pem expires on \d{4}-\d\d-\d\d; replace it$/),
      'certificates/shop.pem has no certificate of the authority CN=authority; browsers may refuse it',
    ])
  })
})
