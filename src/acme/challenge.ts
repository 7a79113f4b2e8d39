import type acme from 'acme-client'
import type { Problem } from '../problem.ts'
import { dnsRecords, type Publisher } from './dns/publish.ts'
import { preflight } from './preflight.ts'
import { authorityProblem } from './problem.ts'
import { settled } from './settled.ts'
import { thumbprintOf } from './thumbprint.ts'

/** The input for validating names with an authority. */
export interface Proof {
  readonly client: acme.Client
  readonly directory: string
  readonly accountKey: string
  /** Publishes TXT records. With it, names are validated by DNS-01, otherwise by HTTP-01. */
  readonly publisher: Publisher | undefined
  readonly doing: (what: string) => void
  /** Called with names that the authority could not validate: such failures count against its limits. */
  readonly failed: (names: readonly string[]) => void
  readonly signal: AbortSignal
}

/** An authorization and its chosen challenge. */
interface Attempt {
  readonly authorization: acme.Authorization
  readonly challenge: acme.Authorization['challenges'][number]
}

/** Validates all names of these authorizations. Throws a problem with the authority's words if one fails. */
export const prove = async (authorizations: readonly acme.Authorization[], proof: Proof): Promise<void> => {
  const { directory, publisher } = proof
  const attempts = authorizations.map((authorization): Attempt => {
    // DNS has no records of addresses (RFC 8738, 7).
    const type = publisher === undefined || authorization.identifier.type === 'ip' ? 'http-01' : 'dns-01'
    const challenge = authorization.challenges.find((one) => one.type === type)
    if (challenge !== undefined) return { authorization, challenge }
    throw refused(directory, [`${nameOf(authorization)}: the authority offers no ${type.toUpperCase()} challenge for it`], FIX[type])
  })
  await checkThumbprint(attempts, proof)
  const byHttp = attempts.filter(({ challenge }) => challenge.type === 'http-01')
  const byDns = attempts.filter(({ challenge }) => challenge.type === 'dns-01')
  if (byHttp.length > 0) await proveByHttp(byHttp, proof)
  if (publisher !== undefined && byDns.length > 0) await proveByDns(byDns, publisher, proof)
}

// The load balancers answer with our thumbprint. A different one would count as a failed validation.
const checkThumbprint = async (attempts: readonly Attempt[], { client, accountKey }: Proof): Promise<void> => {
  const first = attempts.find(({ challenge }) => challenge.type === 'http-01')
  if (first === undefined) return
  const expected = `${first.challenge.token}.${thumbprintOf(accountKey)}`
  if ((await client.getChallengeKeyAuthorization(first.challenge)) !== expected)
    throw new Error('acme-client computes another thumbprint than provision')
}

const proveByHttp = async (attempts: readonly Attempt[], proof: Proof): Promise<void> => {
  const wrong = await preflight(
    attempts.map(({ authorization }) => authorization.identifier.value),
    thumbprintOf(proof.accountKey),
  )
  if (wrong.length > 0) throw misdirected(proof.directory, wrong)
  await complete(attempts, 'http-01', proof)
}

const proveByDns = async (attempts: readonly Attempt[], publisher: Publisher, proof: Proof): Promise<void> => {
  const { client, doing, signal } = proof
  // acme-client returns the digest that the record must contain (RFC 8555 section 8.4).
  const records = await Promise.all(
    attempts.map(async ({ authorization, challenge }) => ({
      name: `_acme-challenge.${authorization.identifier.value}`,
      value: await client.getChallengeKeyAuthorization(challenge),
    })),
  )
  await dnsRecords({ publisher, records, doing, signal }, () => complete(attempts, 'dns-01', proof))
}

const complete = async (
  attempts: readonly Attempt[],
  type: keyof typeof FIX,
  { client, directory, failed, signal }: Proof,
): Promise<void> => {
  const verdicts = await Promise.all(
    attempts.map(async ({ authorization, challenge }) => {
      await client.completeChallenge(challenge)
      const result = await settled(
        async () => (await client.getAuthorizations({ ...NO_ORDER, authorizations: [authorization.url] }))[0],
        ['pending'],
        signal,
      )
      if (result?.status === 'valid') return undefined
      failed([nameOf(authorization)])
      return `${nameOf(authorization)}: ${result?.challenges.map(detailOf).find(Boolean) ?? result?.status}`
    }),
  )
  const why = verdicts.filter((verdict) => verdict !== undefined)
  if (why.length > 0) throw refused(directory, why, FIX[type])
}

/** getAuthorizations() takes an order but reads only its `authorizations`. */
const NO_ORDER: acme.Order = { status: 'pending', identifiers: [], authorizations: [], finalize: '', url: '' }

const nameOf = ({ identifier, wildcard }: acme.Authorization): string => `${wildcard === true ? '*.' : ''}${identifier.value}`

/** The authority's explanation of a failed order or challenge. */
export const detailOf = ({ error }: { readonly error?: object }): string | undefined =>
  error !== undefined && 'detail' in error && typeof error.detail === 'string' ? error.detail : undefined

const FIX = {
  'http-01': 'make every name resolve only to the load balancers, and open their port 80 to everyone; the present certificate stays in use',
  'dns-01':
    'let the command of acme.dns_hook return only after the record is published everywhere, or increase acme.dns_update.wait_seconds; the present certificate stays in use',
} as const

/** The problem of a name that the authority could not validate. */
export const refused = (directory: string, why: readonly string[], fix: string = FIX['http-01']): Problem =>
  authorityProblem(directory, { what: 'certificate authority could not validate the names', why: why.join('\n'), fix })

const misdirected = (directory: string, why: readonly string[]): Problem =>
  authorityProblem(directory, {
    what: 'another server than the load balancer answers for a name; the authority was not contacted',
    why: why.join('\n'),
    fix: FIX['http-01'],
  })
