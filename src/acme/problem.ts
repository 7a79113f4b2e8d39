import { Problem } from '../problem.ts'

/** A problem with a certificate authority, at the account under the pseudo-host `controller`. */
export const authorityProblem = (directory: string, parts: { what: string; why?: string; fix: string }, cause?: unknown): Problem =>
  new Problem(
    { class: 'task', where: { host: 'controller', resource: `acme-account:${directory}` }, ...parts },
    cause === undefined ? undefined : { cause },
  )

/** The authority was not reached. Later orders of the same run fail with this problem at once. */
export class AuthorityUnreachable extends Problem {
  constructor(directory: string, parts: { what: string; why: string; fix: string }, cause: unknown) {
    super({ class: 'task', where: { host: 'controller', resource: `acme-account:${directory}` }, ...parts }, { cause })
  }
}

/** The problem document of an ACME server (RFC 7807, RFC 8555 section 6.7). */
export interface Refusal {
  readonly type?: string
  readonly detail?: string
  readonly subproblems?: readonly { readonly identifier?: { readonly value?: string }; readonly detail?: string; readonly type?: string }[]
}

const ERRORS = 'urn:ietf:params:acme:error:'

/** A refused request as a problem: the authority's words as the reason, and a fix by its error type. */
export const refusalProblem = (directory: string, status: number, refusal: Refusal, retryAfter: string | undefined): Problem => {
  const type = refusal.type?.startsWith(ERRORS) ? refusal.type.slice(ERRORS.length) : undefined
  const why = [
    refusal.detail ?? `HTTP status ${status}`,
    ...(refusal.subproblems ?? []).map(({ identifier, detail }) => `${identifier?.value ?? 'request'}: ${detail ?? 'no reason given'}`),
  ].join('\n')
  if (type === 'rateLimited' || status === 429) {
    return authorityProblem(directory, {
      what: 'certificate authority limits the rate of requests',
      why,
      fix: `run again ${waitOf(retryAfter)}; use letsencrypt-staging for tests. The present certificate stays in use`,
    })
  }
  if (status >= 500)
    return authorityProblem(directory, {
      what: 'certificate authority does not serve requests at present',
      why,
      fix: `run again ${waitOf(retryAfter)}; the present certificate stays in use`,
    })
  const [what, fix] = (type === undefined ? undefined : MEANINGS[type]) ?? UNKNOWN
  return authorityProblem(directory, { what, why, fix })
}

const UNKNOWN: readonly [string, string] = [
  'certificate authority refused the request',
  'look up the reason in the documentation of the authority; the present certificate stays in use',
]

const MEANINGS: Readonly<Record<string, readonly [string, string]>> = {
  rejectedIdentifier: [
    'certificate authority does not issue certificates for one of the names',
    'list only public names that you own in certificates[].names',
  ],
  caa: ['CAA record of the domain excludes this authority', "add the authority to the domain's CAA records, or use another directory"],
  invalidContact: ['certificate authority refused the contact', 'set acme.contact to a mail address at a real domain'],
  unsupportedContact: ['certificate authority refused the contact', 'set acme.contact to a mail address at a real domain'],
  externalAccountRequired: [
    'certificate authority requires external account binding',
    'set `acme.external_account` to the key identifier and the HMAC key that the authority gave you',
  ],
  unauthorized: [
    'certificate authority refused the account',
    'correct the cause that the authority names: it may have deactivated the account, or the name may belong to somebody else',
  ],
  badCSR: ['certificate authority refused the signing request', 'use another key type or other names'],
}

const waitOf = (retryAfter: string | undefined): string => {
  if (retryAfter === undefined) return 'later'
  return /^\d+$/.test(retryAfter) ? `in ${Math.ceil(Number(retryAfter) / 60)} minutes` : `after ${retryAfter}`
}
