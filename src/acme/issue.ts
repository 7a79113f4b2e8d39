import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { Pkcs10CertificateRequest } from '@peculiar/x509'
import acme from 'acme-client'
import { canonicalAddress } from '../ip-address.ts'
import type { AcmeOptions } from '../keystore/identities.ts'
import { Problem } from '../problem.ts'
import { detailOf, prove, refused } from './challenge.ts'
import type { Publisher } from './dns/publish.ts'
import { authorityProblem } from './problem.ts'
import { settled } from './settled.ts'
import { send, withAuthority } from './transport.ts'

export interface Order {
  /** Name of the directory, for problems. */
  readonly directory: string
  readonly url: string
  /** Authorities (PEM) that verify the directory's own certificate; undefined for those of the system. */
  readonly ca: string | undefined
  readonly accountKey: string
  readonly contact: string | undefined
  /** The user's account at the authority; undefined if none is needed. */
  readonly externalAccount?: AcmeOptions['externalAccount']
  /** Certificate signing request, PEM. */
  readonly request: string
  /** The names of the site. A signing request for other names is refused. */
  readonly names: readonly string[]
  /** Profile of the certificate; default: that of the authority. */
  readonly profile?: string | undefined
  /** Publishes TXT records. With it, names are validated by DNS-01, otherwise by HTTP-01. */
  readonly publisher?: Publisher | undefined
  readonly doing: (what: string) => void
  /** Called with names that the authority could not validate: such failures count against its limits. */
  readonly failed?: (names: readonly string[]) => void
}

/** Time limit of an order. DNS records may take minutes to be published everywhere. */
const WITHIN_MS = { http: 180_000, dns: 900_000 } as const

/** Orders a certificate and returns its chain (PEM). For HTTP-01, the load balancers must already answer with the account's thumbprint. */
export const issueCertificate = async (order: Order): Promise<string> => {
  checkRequest(order)
  acme.axios.defaults.adapter = async (config) => ({ ...(await send(config)), config, request: undefined })
  try {
    const withinMs = WITHIN_MS[order.publisher === undefined ? 'http' : 'dns']
    return await withAuthority({ directory: order.directory, ca: order.ca, withinMs }, (signal) => issue(order, signal))
  } catch (error) {
    if (error instanceof Problem) throw error
    const what = 'certificate authority sent an invalid ACME answer'
    throw authorityProblem(order.directory, { what, why: String(error), fix: 'set acme.directory to the URL of an ACME directory' }, error)
  }
}

const issue = async (
  { directory, url, accountKey, contact, externalAccount, request, names, profile, publisher, doing, failed = () => {} }: Order,
  signal: AbortSignal,
): Promise<string> => {
  const bound = externalAccount === undefined ? undefined : { kid: externalAccount.kid, hmacKey: externalAccount.hmacKey.reveal() }
  const client = new acme.Client({ directoryUrl: url, accountKey, ...(bound !== undefined && { externalAccountBinding: bound }) })
  doing('contacting the certificate authority')
  if (profile !== undefined) await checkProfile(profile, directory, url)
  // This updates an existing account. An authority may refuse an update without content.
  await client.createAccount({ termsOfServiceAgreed: true, contact: contact === undefined ? [] : [`mailto:${contact}`] })
  doing(`ordering a certificate for ${names.join(', ')}`)
  const identifiers = names.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value }))
  const order = await client.createOrder({ identifiers, ...(profile !== undefined && { profile }) })
  const pending = (await client.getAuthorizations(order)).filter(({ status }) => status !== 'valid')

  if (pending.length > 0) doing(`validating ${pending.map(({ identifier }) => identifier.value).join(', ')}`)
  await prove(pending, { client, directory, accountKey, publisher, doing, failed, signal })

  doing('waiting for the certificate')
  const ready = await settled(() => client.getOrder(order), ['pending', 'processing'], signal)
  if (ready.status === 'ready') await client.finalizeOrder(ready, request)
  const done = await settled(() => client.getOrder(order), ['ready', 'processing'], signal)
  if (done.status !== 'valid') throw refused(directory, [`the order is ${done.status}: ${detailOf(done) ?? 'no reason was given'}`])
  const chain = await client.getCertificate(done)
  return checkedChain(directory, chain, names, request)
}

/** Throws a problem unless the directory lists the profile: an authority may ignore one that it does not know. */
const checkProfile = async (profile: string, directory: string, url: string): Promise<void> => {
  const { data } = await acme.axios.get<{ readonly meta?: { readonly profiles?: object } }>(url)
  const profiles = Object.keys(data.meta?.profiles ?? {})
  if (profiles.includes(profile)) return
  throw authorityProblem(directory, {
    what: `certificate authority has no profile ${profile}`,
    why: profiles.length === 0 ? 'its directory lists no profiles' : `its profiles are ${profiles.join(', ')}`,
    fix: profiles.length === 0 ? 'remove `profile`' : 'set `profile` to one of them',
  })
}

/** Throws a problem unless the signing request is for exactly the names of the site. */
const checkRequest = ({ directory, request, names }: Order): void => {
  const requested = requestedNames(request)
  if (requested !== undefined && requested.length > 0 && [...requested].sort().join(' ') === [...new Set(names)].sort().join(' ')) return
  throw authorityProblem(directory, {
    what: 'host requested a certificate for names that differ from those of the site',
    why: `names in the request: ${requested?.join(', ') ?? 'unreadable'}; names of the site: ${names.join(', ')}`,
    fix: 'find out who changed the certificate request on the host; nothing was ordered',
  })
}

const requestedNames = (request: string): readonly string[] | undefined => {
  try {
    const { commonName, altNames } = acme.crypto.readCsrDomains(request)
    return [...new Set([commonName, ...altNames].filter((name) => name !== null && name !== '').map(comparable))]
  } catch {
    return undefined
  }
}

/** A host name in lower case, or an IP address in its canonical form. */
const comparable = (name: string): string => canonicalAddress(name) ?? name.toLowerCase()

/** Throws a problem unless the chain is for the ordered names and key and is valid now. */
const checkedChain = (directory: string, chain: string, names: readonly string[], request: string): string => {
  const why = faultOf(chain, names, publicKeyOf(request))
  if (why === undefined) return chain
  throw authorityProblem(directory, {
    what: 'certificate authority issued a certificate that differs from the order',
    why,
    fix: 'check acme.directory; the certificate was not installed, and the present one stays in use',
  })
}

const faultOf = (chain: string, names: readonly string[], key: Buffer): string | undefined => {
  const leaf = readCertificate(chain)
  if (leaf === undefined) return 'the answer is not a certificate'
  const given = (leaf.subjectAltName ?? '').split(', ').map((name) => comparable(name.replace(/^(DNS|IP Address):/, '')))
  const missing = names.filter((name) => !given.includes(name))
  if (missing.length > 0) return `not in the certificate: ${missing.join(', ')}`
  if (!leaf.publicKey.export({ type: 'spki', format: 'der' }).equals(key)) return 'the certificate does not belong to the key of the host'
  if (leaf.validFromDate.getTime() > Date.now() + CLOCK_LEEWAY_MS)
    return `the certificate is valid from ${leaf.validFromDate.toISOString()}`
  return leaf.validToDate.getTime() > Date.now() ? undefined : `the certificate expired on ${leaf.validToDate.toISOString()}`
}

const CLOCK_LEEWAY_MS = 3_600_000

const publicKeyOf = (request: string): Buffer => Buffer.from(new Pkcs10CertificateRequest(request).publicKey.rawData)

const readCertificate = (chain: string): X509Certificate | undefined => {
  try {
    const certificate = new X509Certificate(chain)
    // Node reads the key only on access, and does not fail on an invalid time.
    const isValid = certificate.publicKey.type === 'public' && Number.isFinite(+certificate.validFromDate + +certificate.validToDate)
    return isValid ? certificate : undefined
  } catch {
    return undefined
  }
}
