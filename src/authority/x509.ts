import { randomBytes, webcrypto } from 'node:crypto'
import { isIP } from 'node:net'
import * as x509 from '@peculiar/x509'

/**
 * Signs X.509 certificates (RFC 5280), which node:crypto cannot do. Only this file imports the library, which takes 120 ms to load, so
 * this file is imported on first use.
 */

const EC = { name: 'ECDSA', namedCurve: 'P-256' } as const
const SIGNATURE = { name: 'ECDSA', hash: 'SHA-256' } as const

/** A key pair for signing, with the subject of its certificate. */
export interface Signer {
  readonly name: string
  readonly privateKey: webcrypto.CryptoKey
  readonly publicKey: x509.PublicKey
}

export const signerOf = async (name: string, pem: string): Promise<Signer> => {
  const privateKey = await webcrypto.subtle.importKey('pkcs8', x509.PemConverter.decodeFirst(pem), EC, true, ['sign'])
  const { d: _, key_ops: __, ...open } = await webcrypto.subtle.exportKey('jwk', privateKey)
  const publicKey = await webcrypto.subtle.importKey('jwk', open, EC, true, ['verify'])
  return { name, privateKey, publicKey: await x509.PublicKey.create(publicKey) }
}

export interface Lifetime {
  readonly from: Date
  readonly to: Date
}

/** A certificate (PEM) of an authority, signed by itself or by its previous generation, and limited to the names of one zone. */
export const signAuthority = async (signer: Signer, subject: Signer, zone: string, life: Lifetime): Promise<string> =>
  sign(signer, subject, life, [
    // An authority may sign its next generation, which in this chain may sign only certificates of hosts.
    new x509.BasicConstraintsExtension(true, signer === subject ? 1 : 0, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
    new x509.Extension('2.5.29.30', true, onlyNamesOf(zone)),
  ])

const USAGES = { server: x509.ExtendedKeyUsage.serverAuth, client: x509.ExtendedKeyUsage.clientAuth } as const

/** Names, usages and lifetime that the site grants for a request. */
export interface LeafTerms {
  readonly names: readonly string[]
  readonly usages: readonly (keyof typeof USAGES)[]
  readonly life: Lifetime
}

/** A certificate (PEM) for the public key of a request: nothing else is taken from the request. */
export const signLeaf = async (
  signer: Signer,
  request: x509.Pkcs10CertificateRequest,
  { names, usages, life }: LeafTerms,
): Promise<string> =>
  sign(signer, { name: subjectOf(names), publicKey: request.publicKey }, life, [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension(usages.map((usage) => USAGES[usage])),
    new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value }))),
  ])

const sign = async (
  signer: Signer,
  subject: Pick<Signer, 'name' | 'publicKey'>,
  { from, to }: Lifetime,
  extensions: readonly x509.Extension[],
): Promise<string> => {
  const certificate = await x509.X509CertificateGenerator.create(
    {
      serialNumber: serial(),
      issuer: signer.name,
      subject: subject.name,
      notBefore: from,
      notAfter: to,
      signingAlgorithm: SIGNATURE,
      publicKey: subject.publicKey,
      signingKey: signer.privateKey,
      extensions: [
        ...extensions,
        await x509.SubjectKeyIdentifierExtension.create(subject.publicKey, false, webcrypto),
        await x509.AuthorityKeyIdentifierExtension.create(signer.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  )
  return `${certificate.toString('pem')}\n`
}

type Checked = { readonly request: x509.Pkcs10CertificateRequest } | { readonly fault: string }

/** The parsed request, or the fault for which it is refused: it must ask for exactly the names of the site. */
export const checkRequest = async (pem: string, names: readonly string[]): Promise<Checked> => {
  try {
    return await checkParts(new x509.Pkcs10CertificateRequest(pem), names)
  } catch {
    // The library parses lazily, and throws errors of many classes.
    return { fault: 'the request cannot be read' }
  }
}

const checkParts = async (request: x509.Pkcs10CertificateRequest, names: readonly string[]): Promise<Checked> => {
  const { namedCurve } = request.publicKey.algorithm as { namedCurve?: string }
  if (namedCurve !== EC.namedCurve) return { fault: 'the key of the request is not EC P-256' }
  if (!(await request.verify(webcrypto))) return { fault: 'the request is not signed by its own key' }
  if (request.subject !== subjectOf(names)) return { fault: `the subject of the request is ${request.subject}, not ${subjectOf(names)}` }
  if (request.attributes.some(({ type }) => type !== EXTENSIONS)) return { fault: 'the request has additional attributes' }
  const [alternative, ...more] = request.extensions
  if (!(alternative instanceof x509.SubjectAlternativeNameExtension) || more.length > 0)
    return { fault: 'the request has extensions besides its names' }
  const requested = alternative.names.toJSON().map(({ type, value }) => (type === 'dns' ? value.toLowerCase() : `${type}:${value}`))
  const granted = names.map((name) => (isIP(name) === 0 ? name : `ip:${name}`))
  if (requested.toSorted().join(' ') !== granted.toSorted().join(' '))
    return { fault: `names in the request: ${requested.join(', ')}; names of the site: ${granted.join(', ')}` }
  return { request }
}

/** OID of the PKCS #9 attribute extensionRequest, the only one that a request needs. */
const EXTENSIONS = '1.2.840.113549.1.9.14'

/** The subject, for display only. A common name has at most 64 characters (RFC 5280, upper bounds). */
const subjectOf = (names: readonly string[]): string => {
  const common = names.find((name) => name.length <= 64)
  return common === undefined ? 'O=provision' : `CN=${common}`
}

/** A positive serial number of fixed length with 126 random bits. */
const serial = (): string => {
  const bytes = randomBytes(16)
  bytes.writeUInt8(0x40 | (bytes.readUInt8(0) & 0x3f), 0)
  return bytes.toString('hex')
}

/** NameConstraints (RFC 5280, 4.2.1.10), for which the library has no class: permittedSubtrees with one dNSName. */
const onlyNamesOf = (zone: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(der(0x30, der(0xa0, der(0x30, der(0x82, Buffer.from(zone))))))

const der = (tag: number, content: Buffer): Buffer => {
  if (content.length > 127) throw new RangeError('lengths over 127 have another form in DER')
  return Buffer.concat([Buffer.from([tag, content.length]), content])
}
