import { X509Certificate } from 'node:crypto'
import { Pkcs10CertificateRequest } from '@peculiar/x509'
import acme from 'acme-client'
import { Problem } from '../problem.ts'
import { detailOf, prove, refused } from './challenge.ts'
import { authorityProblem } from './problem.ts'
import { settled } from './settled.ts'
import { send, talkingTo } from './transport.ts'

export interface Order {
  /** The directory as the user wrote it, for problems. */
  readonly directory: string
  readonly url: string
  /** Authorities (PEM) that verify the directory itself; undefined: the system's. */
  readonly ca: string | undefined
  readonly accountKey: string
  readonly contact: string | undefined
  /** Certificate signing request, PEM. */
  readonly request: string
  /** The names that the site asks for. A request for others is refused. */
  readonly names: readonly string[]
  /** The command that publishes TXT records; the names are proved by DNS-01 then, by HTTP-01 without. */
  readonly dnsHook?: readonly string[] | undefined
  readonly doing: (what: string) => void
  /** Told of names that the authority could not verify: it counts them. */
  readonly failed?: (names: readonly string[]) => void
}

/** An authority that has not decided after this long will not; records may take minutes to be published everywhere. */
const WITHIN_MS = { http: 180_000, dns: 900_000 } as const

/** Orders a certificate and gives its chain (PEM). For HTTP-01 the balancers must answer with the account's thumbprint already. */
export const issueCertificate = async (order: Order): Promise<string> => {
  checkRequest(order)
  acme.axios.defaults.adapter = async (config) => ({ ...(await send(config)), config, request: undefined })
  try {
    const withinMs = WITHIN_MS[order.dnsHook === undefined ? 'http' : 'dns']
    return await talkingTo({ directory: order.directory, ca: order.ca, withinMs }, (signal) => issue(order, signal))
  } catch (error) {
    if (error instanceof Problem) throw error
    const what = 'the certificate authority did not answer as ACME wants it'
    throw authorityProblem(
      order.directory,
      { what, why: String(error), fix: 'check that acme.directory is the address of an ACME directory' },
      error,
    )
  }
}

const issue = async (
  { directory, url, accountKey, contact, request, names, dnsHook, doing, failed = () => {} }: Order,
  signal: AbortSignal,
): Promise<string> => {
  const client = new acme.Client({ directoryUrl: url, accountKey })
  doing('greeting the certificate authority')
  // An account that is there already is updated by this, and an authority may refuse an update that says nothing.
  await client.createAccount({ termsOfServiceAgreed: true, contact: contact === undefined ? [] : [`mailto:${contact}`] })
  doing(`ordering a certificate for ${names.join(', ')}`)
  const order = await client.createOrder({ identifiers: names.map((value) => ({ type: 'dns', value })) })
  const pending = (await client.getAuthorizations(order)).filter(({ status }) => status !== 'valid')

  doing(`proving that ${pending.map(({ identifier }) => identifier.value).join(', ')} is ours`)
  await prove(pending, { client, directory, accountKey, dnsHook, doing, failed, signal })

  doing('waiting for the certificate')
  const ready = await settled(() => client.getOrder(order), ['pending', 'processing'], signal)
  if (ready.status === 'ready') await client.finalizeOrder(ready, request)
  const done = await settled(() => client.getOrder(order), ['ready', 'processing'], signal)
  if (done.status !== 'valid') throw refused(directory, [`the order is ${done.status}: ${detailOf(done) ?? 'no reason was given'}`])
  const chain = await client.getCertificate(done)
  return checkedChain(directory, chain, names, request)
}

/** The names asked for come from the site; a host that asks for others, or for more, gets nothing. */
const checkRequest = ({ directory, request, names }: Order): void => {
  const asked = requestedNames(request)
  if (asked !== undefined && asked.length > 0 && [...asked].sort().join(' ') === [...new Set(names)].sort().join(' ')) return
  throw authorityProblem(directory, {
    what: 'the host asked for a certificate for other names than the site says',
    why: `asked for: ${asked?.join(', ') ?? 'nothing that can be read'}; the site says: ${names.join(', ')}`,
    fix: 'find out who changed the certificate request on the host; nothing was ordered',
  })
}

const requestedNames = (request: string): readonly string[] | undefined => {
  try {
    const { commonName, altNames } = acme.crypto.readCsrDomains(request)
    return [...new Set([commonName, ...altNames].filter((name) => name !== null && name !== '').map((name) => name.toLowerCase()))]
  } catch {
    return undefined
  }
}

/** A chain that is not what was ordered is not installed: the one in place is better. */
const checkedChain = (directory: string, chain: string, names: readonly string[], request: string): string => {
  const why = faultOf(chain, names, publicKeyOf(request))
  if (why === undefined) return chain
  throw authorityProblem(directory, {
    what: 'the certificate authority issued something else than was ordered',
    why,
    fix: 'check acme.directory; nothing was installed, the certificate in place stays in use',
  })
}

const faultOf = (chain: string, names: readonly string[], key: Buffer): string | undefined => {
  const leaf = readCertificate(chain)
  if (leaf === undefined) return 'what it sent is no certificate'
  const given = (leaf.subjectAltName ?? '').split(', ').map((name) => name.replace(/^DNS:/, '').toLowerCase())
  const missing = names.filter((name) => !given.includes(name))
  if (missing.length > 0) return `not in the certificate: ${missing.join(', ')}`
  if (!leaf.publicKey.export({ type: 'spki', format: 'der' }).equals(key)) return 'it is for another key than the one that the host made'
  if (leaf.validFromDate.getTime() > Date.now() + CLOCKS_DIFFER_MS) return `it begins on ${leaf.validFromDate.toISOString()}`
  return leaf.validToDate.getTime() > Date.now() ? undefined : `it expired on ${leaf.validToDate.toISOString()}`
}

const CLOCKS_DIFFER_MS = 3_600_000

const publicKeyOf = (request: string): Buffer => Buffer.from(new Pkcs10CertificateRequest(request).publicKey.rawData)

const readCertificate = (chain: string): X509Certificate | undefined => {
  try {
    const certificate = new X509Certificate(chain)
    // Its key is read only when it is asked for, and a time that is none is no error.
    const isWhole = certificate.publicKey.type === 'public' && Number.isFinite(+certificate.validFromDate + +certificate.validToDate)
    return isWhole ? certificate : undefined
  } catch {
    return undefined
  }
}
