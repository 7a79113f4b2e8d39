import { generateKeyPairSync } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import fc from 'fast-check'
import { beforeAll, expect, it } from 'vitest'
import { checkRequest, signAuthority, signerOf, signLeaf } from '../../../src/authority/x509.ts'
import { type CertificateState, KEY_HEADER, observeCertificates } from '../../../src/resource/certificate/observe.ts'
import { planIssued, planLeaf } from '../../../src/resource/certificate/plan.ts'
import type { IssuedSpec, LeafSpec } from '../../../src/resource/certificate/spec.ts'
import { NOTHING } from '../resource/answers.ts'

const ZONE = 'edge.provision.internal'
const NAMES = [`web-01.${ZONE}`]
const life = { from: new Date(Date.now() - 86_400_000), to: new Date(Date.now() + 86_400_000) }
let authority: string
let certificate: Uint8Array
let request: Uint8Array

beforeAll(async () => {
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const signer = await signerOf('CN=provision edge 1', key)
  authority = await signAuthority(signer, signer, ZONE, life)
  const asked = await x509.Pkcs10CertificateRequestGenerator.create({
    name: `CN=${NAMES[0]}`,
    keys: await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']),
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    extensions: [new x509.SubjectAlternativeNameExtension(NAMES.map((value) => ({ type: 'dns', value })))],
  })
  request = x509.PemConverter.decodeFirst(asked.toString('pem')) as unknown as Uint8Array
  certificate = x509.PemConverter.decodeFirst(
    await signLeaf(signer, asked, { names: NAMES, usages: ['server'], life }),
  ) as unknown as Uint8Array
})

/** Replaces a few bytes by bytes with a meaning in DER, or none. */
const damage = fc.array(fc.tuple(fc.nat(), fc.oneof(fc.constantFrom(0, 1, 0x30, 0x7f, 0x80, 0xff), fc.nat(255))), { maxLength: 3 })
const damaged = (bytes: Uint8Array, changes: readonly (readonly [number, number])[], label: string): string => {
  const copy = Buffer.from(new Uint8Array(bytes))
  for (const [at, byte] of changes) copy[at % copy.length] = byte
  return x509.PemConverter.encode(new Uint8Array(copy).buffer, label)
}

const seenIn = (pem: string): CertificateState | undefined => {
  const inode = { type: 'f', mode: '644', owner: 'root', group: 'root', target: '' }
  const text = `# issued through authority:edge\n${KEY_HEADER}${'a'.repeat(64)}\n${pem}`
  const said = {
    ...NOTHING,
    inodes: new Map([
      ['/p', inode],
      ['/p.key', { ...inode, mode: '600' }],
    ]),
    digests: new Map([['/p.key', 'a'.repeat(64)]]),
    texts: new Map([['/p', text.split('\n')]]),
  }
  return observeCertificates(['/p']).parse(Buffer.alloc(0), said).get('/p')
}

it('a certificate with random bytes on a host can be planned', () => {
  const plans = new Set<string | undefined>()
  fc.assert(
    fc.property(damage, (changes) => {
      const seen = seenIn(damaged(certificate, changes, 'CERTIFICATE'))
      if (seen === undefined) expect.fail('nothing is said of it')
      const want = { path: '/p', names: seen.leaf?.names ?? [], keyType: 'ecdsa', group: 'root', renewAt: 0.01 }
      const leaf = { ...want, stage: 'leaf', usages: ['server'], authority: { key: 'authority:edge', trusted: () => [authority] } }
      plans.add(planLeaf(leaf as unknown as LeafSpec, seen, new Date())?.reason)
      plans.add(planIssued({ ...want, stage: 'issued', account: 'authority:edge' } as unknown as IssuedSpec, seen, new Date())?.reason)
    }),
    { numRuns: 2000 },
  )
  expect([...plans]).toEqual(expect.arrayContaining(['not a certificate', 'issued elsewhere', expect.stringContaining('expires on ')]))
})

it('a signing request with random bytes is for the names of the site, or refused', async () => {
  await expect(checkRequest(damaged(request, [], 'CERTIFICATE REQUEST'), NAMES)).resolves.toHaveProperty('request')
  await fc.assert(
    fc.asyncProperty(damage, async (changes) => {
      const checked = await checkRequest(damaged(request, changes, 'CERTIFICATE REQUEST'), NAMES)
      if ('fault' in checked) expect(checked.fault).not.toBe('')
    }),
    { numRuns: 300 },
  )
})
