import { Problem } from '../problem.ts'

/** A certificate authority could not or would not do what was asked: a problem at the account, under the pseudo-host `controller`. */
export const authorityProblem = (directory: string, parts: { what: string; why?: string; fix: string }, cause?: unknown): Problem =>
  new Problem(
    { class: 'task', where: { host: 'controller', resource: `acme-account:${directory}` }, ...parts },
    cause === undefined ? undefined : { cause },
  )

/** Nobody was reached, so nothing was refused: whoever orders next in the same run need not wait for it again. */
export class Unreached extends Problem {
  constructor(directory: string, parts: { what: string; why: string; fix: string }, cause: unknown) {
    super({ class: 'task', where: { host: 'controller', resource: `acme-account:${directory}` }, ...parts }, { cause })
  }
}

/** What an ACME server says when it refuses (RFC 7807, RFC 8555 section 6.7). */
export interface Refusal {
  readonly type?: string
  readonly detail?: string
  readonly subproblems?: readonly { readonly identifier?: { readonly value?: string }; readonly detail?: string; readonly type?: string }[]
}

const ERRORS = 'urn:ietf:params:acme:error:'

/** A refused request as a problem: in the authority's own words, with what its error type means to the user. */
export const refusalProblem = (directory: string, status: number, refusal: Refusal, retryAfter: string | undefined): Problem => {
  const type = refusal.type?.startsWith(ERRORS) ? refusal.type.slice(ERRORS.length) : undefined
  const why = [
    refusal.detail ?? `HTTP status ${status}`,
    ...(refusal.subproblems ?? []).map(({ identifier, detail }) => `${identifier?.value ?? 'request'}: ${detail ?? 'no reason given'}`),
  ].join('\n')
  if (type === 'rateLimited' || status === 429) {
    return authorityProblem(directory, {
      what: 'the certificate authority limits the rate of requests',
      why,
      fix: `try again ${waitOf(retryAfter)}; use the directory letsencrypt-staging for trials. The certificate in place stays in use`,
    })
  }
  const [what, fix] = (type === undefined ? undefined : MEANINGS[type]) ?? UNKNOWN
  return authorityProblem(directory, { what, why, fix })
}

const UNKNOWN: readonly [string, string] = [
  'the certificate authority refused the request',
  "look the authority's words up in its documentation; the certificate in place stays in use",
]

const MEANINGS: Readonly<Record<string, readonly [string, string]>> = {
  rejectedIdentifier: [
    'the certificate authority does not issue for a name',
    'ask only for public names that you own, in certificates[].names',
  ],
  caa: ['a CAA record forbids this authority to issue', "add the authority to the domain's CAA records, or use another directory"],
  invalidContact: ['the certificate authority refused the contact', 'correct acme.contact: a mail address at a real domain'],
  unsupportedContact: ['the certificate authority refused the contact', 'correct acme.contact: a mail address at a real domain'],
  externalAccountRequired: [
    'the certificate authority wants an account bound to yours there',
    'use a directory without external account binding',
  ],
  unauthorized: [
    'the certificate authority refused the account',
    "look at the authority's words: the account may be deactivated, or the name not ours",
  ],
  badCSR: ['the certificate authority refused the signing request', 'choose another key type or other names'],
}

const waitOf = (retryAfter: string | undefined): string => {
  if (retryAfter === undefined) return 'later'
  return /^\d+$/.test(retryAfter) ? `in ${Math.ceil(Number(retryAfter) / 60)} minutes` : `after ${retryAfter}`
}
