import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { certificate, placeholder } from '../../../../src/resource/certificate/certificate.ts'
import { type CertificateState, KEY_HEADER } from '../../../../src/resource/certificate/observe.ts'
import { file } from '../../../../src/resource/file/file.ts'
import type { Change, PlanContext, Resource } from '../../../../src/resource/kind/kind.ts'
import type { Answer, Step } from '../../../../src/resource/kind/step.ts'
import { service } from '../../../../src/resource/service/service.ts'
import { NOTHING, readInodesSaid } from '../answers.ts'

// The answer of a Debian 12 host with a placeholder, an issued certificate and an empty path.
const recorded = readFileSync(join(import.meta.dirname, '../../../fixtures/debian-12/certificate.txt'))
const [SHOP, WWW, NONE] = ['shop', 'www', 'none'].map((name) => `/etc/ssl/haproxy/${name}.example.test.pem`) as [string, string, string]
const ACCOUNT = 'acme-account:https://10.79.2.1:14000/dir'
const NAMES = ['www.example.test', 'example.test']
const ISSUED_ON = new Date('2026-11-23T17:40:00Z')

const kind = certificate.kind
/** A recording holds inodes, and for each pair its path, the chain in base64 and the public key, which stands for the key's file. */
const look = (paths: readonly string[], answer: Buffer, more: ReadonlyMap<string, readonly string[]> = new Map()) => {
  const [inodes = '', ...pairs] = answer.toString().split('pair\0')
  const fields = pairs.map((pair) => pair.split('\0'))
  const digest = (key: string) => createHash('sha256').update(key).digest('hex')
  const texts = new Map(
    fields.map(([path = '', chain = '', key = '']) => [
      path,
      [`${KEY_HEADER}${digest(key)}`, ...Buffer.from(chain, 'base64').toString().split('\n').slice(0, -1)],
    ]),
  )
  const digests = new Map(fields.flatMap(([path = '', , key = '']) => (key === '' ? [] : [[`${path}.key`, digest(key)] as const])))
  return observe(paths).parse(Buffer.alloc(0), {
    ...NOTHING,
    ...readInodesSaid(Buffer.from(inodes)),
    texts: new Map([...texts, ...more]),
    digests,
  })
}
const observe = (paths: readonly string[]) => kind.observe(paths.map((path) => placeholder({ path, names: NAMES }).spec))
const seenAt = (path: string): CertificateState => {
  const state = look([SHOP, WWW, NONE], recorded).get(path)
  if (state === undefined) throw new Error(`nothing recorded of ${path}`)
  return state
}

const wanted = (path: string, more: object = {}) => {
  const temporary = placeholder({ path, names: NAMES })
  const loadedBy = service({ unit: 'haproxy.service', loads: [temporary], set: 'haproxy' })
  return certificate({ path, names: NAMES, account: ACCOUNT, loadedBy, ...more })
}

const worldAt = (now: Date): PlanContext => ({ now, packagesPending: false, changes: () => false, members: () => new Map() })
const plan = ({ spec }: Resource<never>, state: CertificateState, now = ISSUED_ON): Change | undefined =>
  kind.plan(spec, state, worldAt(now))
const said = (change: Change | undefined): string | undefined => change && `${change.action} ${change.certainty} ${change.reason}`

describe('observing certificates', () => {
  it('reads names, lifetime and origin, and that key and certificate match', () => {
    const { leaf, keyDigest, key } = seenAt(WWW)
    expect(leaf).toMatchObject({ names: ['example.test', 'www.example.test'], placeholder: false, account: ACCOUNT, keyType: 'ec' })
    expect(new Date(leaf?.from ?? 0).toISOString().slice(0, 10)).toBe('2026-11-23')
    expect(leaf?.keyDigest).toBe(keyDigest)
    expect(keyDigest).toHaveLength(64)
    expect(key).toMatchObject({ type: 'f', mode: '600', owner: 'root' })
  })

  it('recognizes a placeholder and a missing certificate', () => {
    expect(seenAt(SHOP).leaf).toMatchObject({ placeholder: true, account: undefined })
    expect(seenAt(NONE)).toEqual({
      chain: 'absent',
      key: 'absent',
      leaf: undefined,
      chainDigest: undefined,
      keyDigest: undefined,
      revoked: false,
    })
  })

  it('reads the time of renewal that the authority suggests for this certificate', () => {
    const { fingerprint = '' } = seenAt(WWW).leaf ?? {}
    const moment = (line: string) => look([SHOP, WWW, NONE], recorded, new Map([[`${WWW}.renewal`, [line]]])).get(WWW)?.renewFrom
    expect(moment(`${fingerprint} 1800000000`)).toBe(1_800_000_000_000)
    for (const wrong of [`${fingerprint.replace(/^../, '')} 1800000000`, `${fingerprint} soon`, fingerprint, '', `${fingerprint} -1`])
      expect(moment(wrong)).toBeUndefined()
  })

  it('never reads a private key', () => {
    expect(recorded.toString()).not.toContain('PRIVATE')
    expect(observe([WWW]).shared?.texts).toEqual([WWW, `${WWW}.revoked`, `${WWW}.renewal`])
    expect(String(observe([WWW]).script)).toBe('')
  })

  it('treats a truncated certificate as none', () => {
    expect(() => look([SHOP, WWW, NONE], recorded.subarray(recorded.indexOf('pair')))).toThrow('did not report')
  })

  it('queries a pair once that two resources share', () => {
    expect(observe([WWW]).shared).toEqual(kind.observe([placeholder({ path: WWW, names: NAMES }).spec, wanted(WWW).spec]).shared)
  })
})

describe('planning a placeholder', () => {
  const plain = (path: string) => placeholder({ path, names: NAMES }) as Resource<never>

  it.each([
    ['an issued certificate', seenAt(WWW), undefined],
    ['a placeholder, expired or not', seenAt(SHOP), undefined],
    ['missing', seenAt(NONE), 'create dependent missing'],
    ['a missing key', { ...seenAt(WWW), key: 'absent', keyDigest: undefined }, 'update dependent private key missing'],
    [
      'a key of another certificate',
      { ...seenAt(WWW), keyDigest: seenAt(SHOP).keyDigest },
      'update dependent private key of another certificate',
    ],
    ['a truncated file', { ...seenAt(WWW), leaf: undefined }, 'update dependent not a certificate'],
    ['a pair that others installed', { ...seenAt(WWW), leaf: { ...Object(seenAt(WWW).leaf), keyDigest: undefined } }, undefined],
  ] as const)('%s', (_, state, expected) => {
    expect(said(plan(plain(WWW), state, new Date('2040-01-01')))).toBe(expected)
  })
})

describe('planning a certificate', () => {
  const as = (more: object = {}) => wanted(WWW, more) as Resource<never>
  const { chain, key } = seenAt(WWW)

  it.each([
    ['converged', as(), seenAt(WWW), undefined],
    ['revoked', as(), { ...seenAt(WWW), revoked: true }, 'update dependent revoked by its authority'],
    ['names in another order', as({ names: ['example.test', 'WWW.example.test'] }), seenAt(WWW), undefined],
    ['missing', as(), seenAt(NONE), 'create dependent not issued yet'],
    ['a placeholder', as(), seenAt(SHOP), 'create dependent placeholder to be replaced'],
    ['one name fewer', as({ names: ['www.example.test'] }), seenAt(WWW), 'update dependent names differ'],
    ['another authority', as({ account: 'acme-account:letsencrypt' }), seenAt(WWW), 'update dependent issued elsewhere'],
    [
      'a chain of somebody else',
      as(),
      { ...seenAt(WWW), leaf: { ...Object(seenAt(WWW).leaf), keyDigest: undefined } },
      'update dependent issued elsewhere',
    ],
    ['another key type', as({ keyType: 'rsa' }), seenAt(WWW), 'update dependent key type differs'],
    ['a missing key', as(), { ...seenAt(WWW), key: 'absent', keyDigest: undefined }, 'update dependent private key missing'],
    ['a key that everybody may read', as(), { ...seenAt(WWW), key: { ...Object(key), mode: '644' } }, 'update exact owner or mode differs'],
    [
      'a link in its place',
      as(),
      { ...seenAt(WWW), chain: { ...Object(chain), type: 'l' } },
      'update dependent a symbolic link at its path',
    ],
    ['a group that may read the key', as({ group: 'ssl-cert' }), seenAt(WWW), 'update exact owner or mode differs'],
  ] as const)('%s', (_, want, state, expected) => {
    expect(said(plan(want, state as CertificateState))).toBe(expected)
  })

  // Issued on 23 November 2026 for 90 days: two thirds are over on 22 January 2027.
  it.each([
    ['2027-01-22T10:00:00Z', {}, undefined],
    ['2027-01-23T00:00:00Z', {}, 'update dependent expires on 2027-02-21'],
    ['2027-01-05T00:00:00Z', { renewAt: 0.4 }, 'update dependent expires on 2027-02-21'],
    ['2027-02-22T00:00:00Z', {}, 'update dependent expired on 2027-02-21'],
    ['2020-01-01T00:00:00Z', {}, undefined],
  ])('on %s %o', (now, more, expected) => {
    expect(said(plan(as(more), seenAt(WWW), new Date(now)))).toBe(expected)
  })

  it.each([
    ['2026-12-01T00:00:00Z', '2026-12-01T00:00:01Z', undefined],
    ['2026-12-02T00:00:00Z', '2026-12-01T23:59:59Z', 'update dependent its authority suggests a renewal from 2026-12-01'],
    // It may want the renewal later than a run would make it, but not too late.
    ['2027-01-23T00:00:00Z', '2027-02-20T00:00:00Z', undefined],
    ['2027-01-31T00:00:00Z', '2027-02-20T00:00:00Z', 'update dependent expires on 2027-02-21'],
  ])('on %s is renewed if its authority suggests that from %s', (now, from, expected) => {
    expect(said(plan(as(), { ...seenAt(WWW), renewFrom: Date.parse(from) }, new Date(now)))).toBe(expected)
  })

  it.each([
    ['2027-01-23T00:00:00Z', '2027-02-21'],
    ['2027-02-07T00:00:00Z', undefined],
    ['2027-02-22T00:00:00Z', undefined],
  ])('is renewed on %s, deferrable until %s', (now, until) => {
    expect(plan(as(), seenAt(WWW), new Date(now))?.deferrableUntil?.toISOString().slice(0, 10)).toBe(until)
  })

  it('shows which names are added and removed', () => {
    expect(plan(as({ names: ['www.example.test', 'shop.example.test'] }), seenAt(WWW))?.differences).toEqual([
      { key: 'names', from: 'example.test, www.example.test', to: 'shop.example.test, www.example.test' },
    ])
  })
})

describe('applying a certificate', () => {
  const answer = (stdout: string, code = 0, stderr = ''): Answer => ({ code, stdout: Buffer.from(stdout), stderr })
  const steps = (answers: readonly Answer[], certainty: 'dependent' | 'exact' = 'dependent'): readonly Step[] => {
    const resource = wanted(WWW) as Resource<never>
    const change: Change = { action: 'create', certainty, reason: '', differences: [] }
    const run = kind.apply([{ id: resource.id, spec: resource.spec, state: seenAt(NONE), change }])
    const taken: Step[] = []
    let next = run.next()
    for (const one of answers) {
      if (next.done === true) break
      taken.push(next.value)
      next = run.next(one)
    }
    return taken
  }

  it('requests on the host, orders the names of the site, installs and reloads', () => {
    const taken = steps([answer('REQUEST'), answer('CHAIN\n'), answer(''), answer('')])
    expect(taken.map((step) => step.do)).toEqual(['shell', 'identity', 'shell', 'shell'])
    expect(taken[1]).toMatchObject({ identity: ACCOUNT, request: 'REQUEST', names: NAMES })
    expect(Buffer.from((taken[2] as { input: Uint8Array }).input).toString()).toBe(`# issued through ${ACCOUNT}\nCHAIN\n`)
  })

  it('stops if the host refuses', () => {
    expect(() => steps([answer('', 1, 'openssl: not found')])).toThrow('openssl: not found')
    expect(() => steps([answer('REQUEST'), answer('CHAIN'), answer('', 1, 'does not belong')])).toThrow('certificate not installed')
  })

  it('orders nothing if only the modes differ', () => {
    expect(steps([answer('')], 'exact').map((step) => step.do)).toEqual(['shell'])
  })
})

describe('options of a certificate', () => {
  it.each([[['www.*.example.org']], [['example']], [['-a.example.org']], [['a b.example.org']], [['a.example.org,DNS:evil.org']], [[]]])(
    'not %o',
    (names) => {
      expect(() => placeholder({ path: WWW, names })).toThrow()
    },
  )

  it('refuse a service that does not load the certificate', () => {
    const loadedBy = service({ unit: 'haproxy.service', loads: [file({ path: '/etc/haproxy/haproxy.cfg', content: '' })] })
    expect(() => certificate({ path: WWW, names: NAMES, account: ACCOUNT, loadedBy })).toThrow(
      'must be a service that loads the certificate',
    )
  })
})
