import { createHash, generateKeyPairSync } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Signer, signAuthority, signerOf, signLeaf } from '../../../../src/authority/x509.ts'
import { certificate, leaf, placeholder } from '../../../../src/resource/certificate/certificate.ts'
import { type CertificateState, KEY_HEADER } from '../../../../src/resource/certificate/observe.ts'
import type { Change, PlanContext, Resource } from '../../../../src/resource/kind/kind.ts'
import type { Answer, Step } from '../../../../src/resource/kind/step.ts'
import { service } from '../../../../src/resource/service/service.ts'
import { NOTHING } from '../answers.ts'

const PATH = '/etc/nginx/tls/edge.pem'
const ZONE = 'edge.provision.internal'
const NAME = `web-01.${ZONE}`
const KEY = 'a host keeps its key for itself'
const day = (days: number): Date => new Date(Date.parse('2026-11-23T12:00:00Z') + days * 86_400_000)
const kind = certificate.kind

const life = { from: day(0), to: day(3650) }
const trusted: string[] = []
let edge: Signer
let other: Signer
let request: x509.Pkcs10CertificateRequest

beforeAll(async () => {
  const keyPem = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  // Both have one name, so only the signature distinguishes them.
  edge = await signerOf('CN=provision edge 1', keyPem())
  other = await signerOf('CN=provision edge 1', keyPem())
  const next = await signerOf('CN=provision edge 2', keyPem())
  trusted.push(await signAuthority(edge, edge, ZONE, life), await signAuthority(next, next, ZONE, life))
  const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
  request = await x509.Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' } })
})

const authority = (certificates: readonly string[] = trusted) => ({
  key: 'authority:edge',
  zone: ZONE,
  certificate: { later: 'the certificate of authority:edge', get: () => certificates.join('') },
  trusted: () => certificates,
  nameOf: (host: string) => `${host}.${ZONE}`,
})
const wanted = (more: object = {}) =>
  leaf({ path: PATH, names: [NAME], authority: authority(), usages: ['server', 'client'], ...more }) as Resource<never>

interface Lying {
  readonly by?: Signer
  readonly names?: readonly string[]
  readonly usages?: readonly ('server' | 'client')[]
  readonly header?: string
  readonly group?: string
}

/** State of a valid pair, except for the given values. */
const state = async ({
  by = edge,
  names = [NAME],
  usages = ['client', 'server'],
  header = 'authority:edge',
  group = 'root',
}: Lying = {}) => {
  const pem = await signLeaf(by, request, { names, usages, life: { from: day(0), to: day(90) } })
  const digest = createHash('sha256').update(KEY).digest('hex')
  const lines = [`${KEY_HEADER}${digest}`, `# issued through ${header}`, ...pem.trimEnd().split('\n')]
  const plain = { type: 'f', owner: 'root', target: '' }
  const inodes = new Map([
    [PATH, { ...plain, mode: '644', group: 'root' }],
    [`${PATH}.key`, { ...plain, mode: group === 'root' ? '600' : '640', group }],
  ])
  const said = { ...NOTHING, inodes, digests: new Map([[`${PATH}.key`, digest]]), texts: new Map([[PATH, lines]]) }
  return kind.observe([wanted().spec]).parse(Buffer.alloc(0), said).get(PATH) as CertificateState
}
const NONE: CertificateState = {
  chain: 'absent',
  key: 'absent',
  leaf: undefined,
  chainDigest: undefined,
  keyDigest: undefined,
  revoked: false,
}

const plan = (pair: CertificateState, more: object = {}, now = day(1)): string | undefined => {
  const context: PlanContext = { now, packagesPending: false, changes: () => false, members: () => new Map() }
  const change = kind.plan(wanted(more).spec, pair, context)
  return change && `${change.action} ${change.certainty} ${change.reason}`
}

describe('planning a certificate of the site', () => {
  it.each([
    ['converged', {}, {}, undefined],
    ['usages in another order', {}, { usages: ['client', 'server', 'client'] }, undefined],
    [
      'addresses in another spelling',
      { names: [NAME, '10.0.0.1', 'fd79:205::11'] },
      { addresses: ['FD79:205:0:0:0:0:0:11', '10.0.0.1', '10.0.0.1'] },
      undefined,
    ],
    ['for the host without its address', {}, { addresses: ['10.0.0.1'] }, 'update dependent names differ'],
    ['for the host with an address more', { names: [NAME, '10.0.0.1'] }, {}, 'update dependent names differ'],
    ['for another host', { names: [`web-02.${ZONE}`] }, {}, 'update dependent names differ'],
    ['through an account', { header: 'acme-account:letsencrypt' }, {}, 'update dependent issued elsewhere'],
    ['of another domain', { header: 'authority:database' }, {}, 'update dependent issued elsewhere'],
    ['too many usages', {}, { usages: ['client'] }, 'update dependent usages differ'],
    ['too few usages', { usages: ['client'] }, {}, 'update dependent usages differ'],
    ['a key that its service may read', { group: 'mysql' }, { group: 'mysql' }, undefined],
    ['a key that others may read', { group: 'mysql' }, {}, 'update exact owner or mode differs'],
  ] as const)('%s', async (_, pair, more, expected) => {
    expect(plan(await state(pair), more)).toBe(expected)
  })

  it('is not accepted from another signer, even with our issuer name and mark', async () => {
    expect(plan(await state({ by: other }))).toBe('update dependent issued elsewhere')
  })

  it('is replaced if its generation is no longer trusted', async () => {
    expect(plan(await state(), { authority: authority(trusted.slice(1)) })).toBe('update dependent issued elsewhere')
  })

  it('is planned before the authority exists', () => {
    expect(plan(NONE, { authority: authority([]) })).toBe('create dependent not issued yet')
  })

  it.each([
    [59, {}, undefined],
    [61, {}, 'update dependent expires on 2027-02-21'],
    [40, { renewAt: 0.4 }, 'update dependent expires on 2027-02-21'],
    [91, {}, 'update dependent expired on 2027-02-21'],
  ])('on day %d %o', async (days, more, expected) => {
    expect(plan(await state(), more, day(days))).toBe(expected)
  })
})

describe('applying it', () => {
  it('signs the request with the options of the site and does not reload the service', () => {
    const { id, spec } = wanted({ lifetimeDays: 7, addresses: ['10.0.0.1'] })
    const change: Change = { action: 'create', certainty: 'dependent', reason: '', differences: [] }
    const run = kind.apply([{ id, spec, state: NONE, change }])
    const answer = (stdout: string): Answer => ({ code: 0, stdout: Buffer.from(stdout), stderr: '' })
    const taken: Step[] = []
    const answers = ['REQUEST', 'CHAIN\n', '', 'one step too many']
    for (let next = run.next(); next.done !== true; next = run.next(answer(answers[taken.length - 1] ?? ''))) taken.push(next.value)
    expect(taken.map((step) => step.do)).toEqual(['shell', 'identity', 'shell'])
    expect(String((taken[0] as { script: unknown }).script)).toContain(`subjectAltName = DNS:${NAME}, IP:10.0.0.1\n`)
    expect(taken[1]).toMatchObject({
      identity: 'authority:edge',
      request: 'REQUEST',
      names: [NAME, '10.0.0.1'],
      leaf: { usages: ['client', 'server'], lifetimeDays: 7 },
    })
    expect(Buffer.from((taken[2] as { input: Uint8Array }).input).toString()).toBe('# issued through authority:edge\nCHAIN\n')
  })

  it.each([
    ['a name of another domain', { names: ['web-01.database.provision.internal'] }],
    ['a name that only ends like it', { names: ['web-01edge.provision.internal'] }],
    ['a name as an address', { addresses: [NAME] }],
    ['an address of one interface', { addresses: ['fe80::1%eth0'] }],
    ['no usage', { usages: [] }],
    ['no authority', { authority: 'edge' }],
    ['nothing in the place of an authority', { authority: null }],
    ['an authority that signs for no domain', { authority: { ...authority(), zone: undefined } }],
    ['an authority without its domain', { authority: { trusted: () => [] } }],
    ['an authority without its certificates', { authority: { zone: ZONE } }],
    ['a certificate of an RSA key', { keyType: 'rsa' }],
    ['a renewal after its end', { renewAt: 1 }],
    ['an unlimited lifetime', { lifetimeDays: 4000 }],
  ])('cannot be asked for with %s', (_, more) => {
    expect(() => wanted(more)).toThrow()
  })
})

describe('the identity that issued a certificate', () => {
  const issuer = (spec: unknown, pair: CertificateState, now = day(1)) => kind.issuer?.(spec as never, pair, now)

  it('is the authority of the role, while the certificate is valid', async () => {
    const { spec } = wanted()
    expect(issuer(spec, await state())).toBe('authority:edge')
    expect([issuer(spec, await state(), day(89)), issuer(spec, await state(), day(90))]).toEqual(['authority:edge', undefined])
    expect(issuer(spec, await state({ header: 'authority:other' }))).toBeUndefined()
    expect(issuer(spec, NONE)).toBeUndefined()
  })

  it('is the account of the role, and none for a placeholder', async () => {
    const pair = await state({ header: 'acme-account:x' })
    const names = [NAME]
    const temporary = placeholder({ path: PATH, names })
    const loadedBy = service({ unit: 'nginx.service', loads: [temporary] })
    expect(issuer(certificate({ path: PATH, names, account: 'acme-account:x', loadedBy }).spec, pair)).toBe('acme-account:x')
    expect(issuer(certificate({ path: PATH, names, account: 'acme-account:y', loadedBy }).spec, pair)).toBeUndefined()
    expect(issuer(temporary.spec, pair)).toBeUndefined()
  })
})
