import { generateKeyPairSync } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Signer, signAuthority, signerOf } from '../../../src/authority/x509.ts'
import { unknownAuthorities } from '../../../src/engine/plan/unknown-authority.ts'
import { leaf } from '../../../src/resource/certificate/certificate.ts'
import type { Leaf } from '../../../src/resource/certificate/observe.ts'
import { file } from '../../../src/resource/file/file.ts'
import { text } from '../../../src/resource/kind/content.ts'

const ZONE = 'edge.provision.internal'
const day = (days: number): Date => new Date(Date.parse('2026-11-23T12:00:00Z') + days * 86_400_000)
const life = { from: day(0), to: day(3650) }

// What signs a certificate of an authority signs one of a host, too: the same shape is enough here.
let [first, other, second]: readonly string[] = []
beforeAll(async () => {
  const signer = (number: number): Promise<Signer> =>
    signerOf(
      `CN=provision edge ${number}`,
      generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    )
  const self = async (by: Signer): Promise<string> => await signAuthority(by, by, ZONE, life)
  ;[first, other, second] = [await self(await signer(1)), await self(await signer(1)), await self(await signer(2))]
})

const PATH = '/etc/ssl/nginx/edge.pem'
/** A host with a certificate of an authority, in a project that knows some. */
const host = (
  name: string,
  pem: string | undefined,
  knows: readonly (string | undefined)[],
  { account = 'authority:edge', number = 1 as number | string } = {},
) => {
  const trusted = knows.filter((one) => one !== undefined)
  const authority = {
    key: 'authority:edge',
    zone: ZONE,
    certificate: { later: 'the certificate of authority:edge', get: () => trusted.join('') },
    trusted: () => trusted,
    nameOf: (host: string) => `${host}.${ZONE}`,
  }
  const resources = [
    { play: 0, role: 'nginx', resource: file({ path: '/etc/ssl/nginx/authority.pem', content: text`${authority.certificate}` }) },
    { play: 0, role: 'nginx', resource: leaf({ path: PATH, names: [authority.nameOf(name)], authority, usages: ['server'] }) },
  ]
  const found: Partial<Leaf> = {
    pem: pem ?? '',
    issuer: `CN=provision edge ${number}`,
    account,
    from: day(0).getTime(),
    to: day(90).getTime(),
  }
  return { host: name, resources, observation: new Map([[`certificate:${PATH}`, { leaf: pem === undefined ? undefined : found }]]) }
}
const all = (_role: string): boolean => true
const said = (reached: readonly ReturnType<typeof host>[], selected = all, now = day(1)) =>
  unknownAuthorities(reached as never, selected, now)

describe('an authority that signed certificates of hosts and is not in identities/', () => {
  it('is a problem with a fix', () => {
    const [problem, ...more] = said(['web-01', 'web-02', 'web-03'].map((name) => host(name, first, [])))
    expect(more).toEqual([])
    expect(problem?.message).toBe(
      `web-01 › nginx › certificate:${PATH}: certificate is signed by generation 1 of authority edge, which is not in identities/ (on web-02, web-03 as well)`,
    )
    expect(problem?.fix).toContain(`If web-01 belonged to another site, run rm ${PATH} there`)
    const [many] = said(Array.from({ length: 6 }, (_, i) => host(`web-${i}`, first, [])))
    expect(many?.message).toContain('(on web-1, web-2, web-3 and 2 more as well)')
    expect(problem?.fix).toContain('ssh web-01 cat /etc/ssl/nginx/authority.pem >identities/authority-edge-1.lost.pem and run again')
  })

  it('is one problem for each generation', () => {
    const reached = [host('web-01', first, []), host('web-02', second, [], { number: 2 })]
    expect(said(reached).map(({ fix }) => /authority-edge-\d/.exec(fix)?.[0])).toEqual(['authority-edge-1', 'authority-edge-2'])
  })

  it('is a problem also if it is newer than the known ones', () => {
    expect(said([host('web-01', second, [first], { number: 2 })])).toHaveLength(1)
  })
})

describe('there is no problem', () => {
  it.each([
    ['of certificates of a known generation', () => [host('web-01', first, [first])], all, 1],
    ['of an unexpired older generation', () => [host('web-01', first, [first, second])], all, 1],
    ['of forged certificates with a known issuer name: they are replaced', () => [host('web-01', other, [first])], all, 1],
    ['of an issuer name that a host invented', () => [host('web-01', first, [], { number: '1; rm -rf /' })], all, 1],
    ['of an invalid number', () => [host('web-01', first, [], { number: 'NaN' })], all, 1],
    ['of a host without a certificate', () => [host('web-01', undefined, [])], all, 1],
    ['of certificates of other authorities', () => [host('web-01', first, [], { account: 'acme-account:letsencrypt' })], all, 1],
    ['of expired certificates', () => [host('web-01', first, [])], all, 91],
    ['of a role that is not selected', () => [host('web-01', first, [])], (_role: string): boolean => false, 1],
  ] as const)('%s', (_, reached, selected, days) => {
    expect(said(reached(), selected, day(days))).toEqual([])
  })
})
