import type acme from 'acme-client'
import type { Problem } from '../problem.ts'
import { dnsRecords } from './dns-hook.ts'
import { preflight } from './preflight.ts'
import { authorityProblem } from './problem.ts'
import { settled } from './settled.ts'
import { thumbprintOf } from './thumbprint.ts'

/** What proving names to an authority needs. */
export interface Proof {
  readonly client: acme.Client
  readonly directory: string
  readonly accountKey: string
  /** The user's own command that publishes TXT records: names are proved by DNS-01 then, else by HTTP-01. */
  readonly dnsHook: readonly string[] | undefined
  readonly doing: (what: string) => void
  /** Told of names that the authority could not verify: it counts them. */
  readonly failed: (names: readonly string[]) => void
  readonly signal: AbortSignal
}

/** An authorization and the challenge of it that we take up. */
interface Taken {
  readonly authorization: acme.Authorization
  readonly challenge: acme.Authorization['challenges'][number]
}

/** Proves to the authority that all names of these authorizations are ours; throws a problem in its own words when one is not. */
export const prove = async (authorizations: readonly acme.Authorization[], proof: Proof): Promise<void> => {
  const { directory, dnsHook } = proof
  const type = dnsHook === undefined ? 'http-01' : 'dns-01'
  const taken = authorizations.map((authorization): Taken => {
    const challenge = authorization.challenges.find((one) => one.type === type)
    if (challenge !== undefined) return { authorization, challenge }
    throw refused(directory, [`${nameOf(authorization)}: the authority offers no ${type.toUpperCase()} for it`], FIX[type])
  })
  await checkThumbprint(taken, proof)
  await (dnsHook === undefined ? proveByHttp(taken, proof) : proveByDns(taken, dnsHook, proof))
}

// The balancers answer with what we computed; an answer of another account would count as a failed validation.
const checkThumbprint = async ([first]: readonly Taken[], { client, accountKey }: Proof): Promise<void> => {
  if (first === undefined || first.challenge.type !== 'http-01') return
  const wanted = `${first.challenge.token}.${thumbprintOf(accountKey)}`
  if ((await client.getChallengeKeyAuthorization(first.challenge)) !== wanted)
    throw new Error('acme-client computes another thumbprint than we do')
}

const proveByHttp = async (taken: readonly Taken[], proof: Proof): Promise<void> => {
  const wrong = await preflight(
    taken.map(({ authorization }) => authorization.identifier.value),
    thumbprintOf(proof.accountKey),
  )
  if (wrong.length > 0) throw misdirected(proof.directory, wrong)
  await complete(taken, 'http-01', proof)
}

const proveByDns = async (taken: readonly Taken[], hook: readonly string[], proof: Proof): Promise<void> => {
  const { client, directory, doing, signal } = proof
  // acme-client gives the digest that belongs into the record (RFC 8555 section 8.4).
  const records = await Promise.all(
    taken.map(async ({ authorization, challenge }) => ({
      name: `_acme-challenge.${authorization.identifier.value}`,
      value: await client.getChallengeKeyAuthorization(challenge),
    })),
  )
  await dnsRecords({ hook, directory, records, doing, signal }, () => complete(taken, 'dns-01', proof))
}

const complete = async (taken: readonly Taken[], type: keyof typeof FIX, { client, directory, failed, signal }: Proof): Promise<void> => {
  const verdicts = await Promise.all(
    taken.map(async ({ authorization, challenge }) => {
      await client.completeChallenge(challenge)
      const seen = await settled(
        async () => (await client.getAuthorizations({ ...NO_ORDER, authorizations: [authorization.url] }))[0],
        ['pending'],
        signal,
      )
      if (seen?.status === 'valid') return undefined
      failed([nameOf(authorization)])
      return `${nameOf(authorization)}: ${seen?.challenges.map(detailOf).find(Boolean) ?? seen?.status}`
    }),
  )
  const why = verdicts.filter((verdict) => verdict !== undefined)
  if (why.length > 0) throw refused(directory, why, FIX[type])
}

/** getAuthorizations() wants an order but reads only its addresses of authorizations. */
const NO_ORDER: acme.Order = { status: 'pending', identifiers: [], authorizations: [], finalize: '', url: '' }

const nameOf = ({ identifier, wildcard }: acme.Authorization): string => `${wildcard === true ? '*.' : ''}${identifier.value}`

/** The authority's words about an order or a challenge that failed. */
export const detailOf = ({ error }: { readonly error?: object }): string | undefined =>
  error !== undefined && 'detail' in error && typeof error.detail === 'string' ? error.detail : undefined

const FIX = {
  'http-01': 'let every name resolve to the balancers only, port 80 open to the world; the certificate in place stays in use',
  'dns-01': 'let the command of acme.dns_hook return only when the record is published everywhere; the certificate in place stays in use',
} as const

/** The authority has looked and was not convinced. */
export const refused = (directory: string, why: readonly string[], fix: string = FIX['http-01']): Problem =>
  authorityProblem(directory, { what: 'the certificate authority could not verify that the names are ours', why: why.join('\n'), fix })

const misdirected = (directory: string, why: readonly string[]): Problem =>
  authorityProblem(directory, {
    what: 'a name is answered by another server than our balancer; nothing was asked of the authority',
    why: why.join('\n'),
    fix: FIX['http-01'],
  })
