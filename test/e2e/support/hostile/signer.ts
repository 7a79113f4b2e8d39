import { generateKeyPairSync } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import { signAuthority, signerOf, signLeaf } from '../../../../src/authority/x509.ts'
import type { Authority } from '../../../../src/keystore/identities.ts'
import type { Answer, IdentityStep } from '../../../../src/resource/kind/step.ts'

const ZONE = 'test.provision.internal'
const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const signer = await signerOf('CN=provision test 1', key)
const life = { from: new Date(Date.now() - 86_400_000), to: new Date(Date.now() + 90 * 86_400_000) }
const certificate = await signAuthority(signer, signer, ZONE, life)

/** An authority that exists in this process only. */
export const AUTHORITY: Authority = {
  key: 'authority:test',
  zone: ZONE,
  certificate: { later: 'the certificate of test', get: () => certificate },
  trusted: () => [certificate],
  nameOf: (host) => `${host}.${ZONE}`,
}

/** Signs what a host asks for, as the engine does with the site's identities. */
export const sign = async ({ request, names, leaf }: IdentityStep): Promise<Answer> => {
  const signed = await signLeaf(signer, new x509.Pkcs10CertificateRequest(request), { names, usages: leaf?.usages ?? [], life })
  return { code: 0, stdout: Buffer.from(`${signed}\n`), stderr: '' }
}
