import { X509Certificate } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import acme from 'acme-client'
import { Problem } from '../problem.ts'
import { preflight } from './preflight.ts'
import { authorityProblem } from './problem.ts'
import { thumbprintOf } from './thumbprint.ts'
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
  readonly doing: (what: string) => void
}

/** An authority that has not decided after this long will not. */
const WITHIN_MS = 180_000

/** Orders a certificate by HTTP-01 and gives its chain (PEM). The balancers must answer with the account's thumbprint already. */
export const issueCertificate = async (order: Order): Promise<string> => {
  checkRequest(order)
  acme.axios.defaults.adapter = async (config) => ({ ...(await send(config)), config, request: undefined })
  try {
    return await talkingTo({ directory: order.directory, ca: order.ca, withinMs: WITHIN_MS }, (signal) => issue(order, signal))
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

const issue = async ({ directory, url, accountKey, contact, request, names, doing }: Order, signal: AbortSignal): Promise<string> => {
  const client = new acme.Client({ directoryUrl: url, accountKey })
  doing('greeting the certificate authority')
  await client.createAccount({ termsOfServiceAgreed: true, ...(contact === undefined ? {} : { contact: [`mailto:${contact}`] }) })
  doing(`ordering a certificate for ${names.join(', ')}`)
  const order = await client.createOrder({ identifiers: names.map((value) => ({ type: 'dns', value })) })
  const pending = (await client.getAuthorizations(order)).filter(({ status }) => status !== 'valid')

  doing(`proving that ${pending.map(({ identifier }) => identifier.value).join(', ')} is ours`)
  await prove(client, directory, pending, accountKey, signal)

  doing('waiting for the certificate')
  const ready = await settled(() => client.getOrder(order), ['pending', 'processing'], signal)
  if (ready.status === 'ready') await client.finalizeOrder(ready, request)
  const done = await settled(() => client.getOrder(order), ['ready', 'processing'], signal)
  if (done.status !== 'valid') throw refused(directory, [`the order is ${done.status}: ${detailOf(done) ?? 'no reason was given'}`])
  const chain = await client.getCertificate(done)
  return checkedChain(directory, chain, names)
}

const prove = async (
  client: acme.Client,
  directory: string,
  authorizations: readonly acme.Authorization[],
  accountKey: string,
  signal: AbortSignal,
): Promise<void> => {
  const thumbprint = thumbprintOf(accountKey)
  const wrong = await preflight(
    authorizations.map(({ identifier }) => identifier.value),
    thumbprint,
  )
  if (wrong.length > 0) throw misdirected(directory, wrong)
  const verdicts = await Promise.all(
    authorizations.map(async (authorization) => {
      const challenge = authorization.challenges.find(({ type }) => type === 'http-01')
      if (challenge === undefined) return `${authorization.identifier.value}: the authority offers no HTTP-01 for it`
      if ((await client.getChallengeKeyAuthorization(challenge)) !== `${challenge.token}.${thumbprint}`) {
        throw new Error('acme-client computes another thumbprint than we do')
      }
      await client.completeChallenge(challenge)
      const seen = await settled(
        async () => (await client.getAuthorizations({ ...NO_ORDER, authorizations: [authorization.url] }))[0],
        ['pending'],
        signal,
      )
      return seen?.status === 'valid'
        ? undefined
        : `${authorization.identifier.value}: ${seen?.challenges.map(detailOf).find(Boolean) ?? seen?.status}`
    }),
  )
  const failed = verdicts.filter((verdict) => verdict !== undefined)
  if (failed.length > 0) throw refused(directory, failed)
}

/** getAuthorizations() wants an order but reads only its addresses of authorizations. */
const NO_ORDER: acme.Order = { status: 'pending', identifiers: [], authorizations: [], finalize: '', url: '' }

const settled = async <T extends { readonly status: string } | undefined>(
  ask: () => Promise<T>,
  unsettled: readonly string[],
  signal: AbortSignal,
): Promise<T> => {
  for (let wait = 100; ; wait = Math.min(wait * 2, 3000)) {
    const seen = await ask()
    if (seen === undefined || !unsettled.includes(seen.status)) return seen
    await sleep(wait, undefined, { signal })
  }
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

const checkedChain = (directory: string, chain: string, names: readonly string[]): string => {
  const leaf = readCertificate(chain)
  const missing =
    leaf === undefined ? names : names.filter((name) => leaf.checkHost(name, { subject: 'never', wildcards: false }) === undefined)
  if (missing.length === 0) return chain
  const what = 'the certificate authority issued something else than was ordered'
  throw authorityProblem(directory, {
    what,
    why: `not in the certificate: ${missing.join(', ')}`,
    fix: 'check acme.directory; nothing was installed',
  })
}

const readCertificate = (chain: string): X509Certificate | undefined => {
  try {
    return new X509Certificate(chain)
  } catch {
    return undefined
  }
}

const detailOf = ({ error }: { readonly error?: object }): string | undefined =>
  error !== undefined && 'detail' in error && typeof error.detail === 'string' ? error.detail : undefined

const REACHABLE = 'let every name resolve to the balancers only, port 80 open to the world; the certificate in place stays in use'

const refused = (directory: string, why: readonly string[]): Problem =>
  authorityProblem(directory, {
    what: 'the certificate authority could not verify that the names are ours',
    why: why.join('\n'),
    fix: REACHABLE,
  })

const misdirected = (directory: string, why: readonly string[]): Problem =>
  authorityProblem(directory, {
    what: 'a name is answered by another server than our balancer; nothing was asked of the authority',
    why: why.join('\n'),
    fix: REACHABLE,
  })
