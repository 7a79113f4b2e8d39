import { X509Certificate } from 'node:crypto'
import { ABSENT, typeName } from '../kind/inode.ts'
import type { Change, Difference } from '../kind/kind.ts'
import { type CertificateState, isPair, keyModeOf, type Leaf } from './observe.ts'
import type { CertificateSpec, IssuedSpec, LeafSpec } from './spec.ts'

/** A placeholder: any matching pair satisfies it. */
export const planPlaceholder = (state: CertificateState): Change | undefined => {
  if (isPair(state)) return undefined
  return { action: state.chain === ABSENT ? 'create' : 'update', certainty: 'dependent', reason: brokenReason(state), differences: [] }
}

/** A certificate through an ACME account. */
export const planIssued = (spec: IssuedSpec, state: CertificateState, now: Date): Change | undefined =>
  planPair(spec, state, now, (leaf) => {
    if (leaf.account === spec.account && leaf.keyDigest !== undefined) return undefined
    const from = leaf.account === undefined ? {} : { from: leaf.account }
    return update('issued elsewhere', [{ key: 'account', ...from, to: spec.account }])
  })

/** A certificate of an authority of the site, checked by signature, not by the issuer field. */
export const planLeaf = (spec: LeafSpec, state: CertificateState, now: Date): Change | undefined =>
  planPair(spec, state, now, (leaf) => {
    const { key } = spec.authority
    if (leaf.account !== key || leaf.keyDigest === undefined || !isSigned(leaf, spec.authority.trusted()))
      return update('issued elsewhere', [{ key: 'authority', from: leaf.issuer, to: key }])
    const [from, to] = [leaf.usages.join(', '), spec.usages.join(', ')]
    return from === to ? undefined : update('usages differ', [{ key: 'usages', from, to }])
  })

/** Checks common to all certificates: existence, key, revocation, names, origin, key type, age and access. */
const planPair = (
  spec: IssuedSpec | LeafSpec,
  state: CertificateState,
  now: Date,
  planOrigin: (leaf: Leaf) => Change | undefined,
): Change | undefined => {
  const { chain, leaf } = state
  if (chain === ABSENT || leaf?.placeholder === true) {
    const reason = chain === ABSENT ? 'not issued yet' : 'placeholder to be replaced'
    // An order counts towards the limits of its authority.
    const attention = 'account' in spec ? { attention: `order of a certificate for ${spec.names.join(', ')}` } : {}
    return { action: 'create', certainty: 'dependent', reason, differences: [], ...attention }
  }
  if (!isPair(state) || leaf === undefined) return update(brokenReason(state))
  if (state.revoked) return update('revoked by its authority')
  const names = [...spec.names].sort().join(', ')
  if (leaf.names.join(', ') !== names) return update('names differ', [{ key: 'names', from: leaf.names.join(', '), to: names }])
  const origin = planOrigin(leaf)
  if (origin !== undefined) return origin
  if (leaf.keyType !== NODE_KEY_TYPES[spec.keyType]) return update('key type differs', [{ key: 'keyType', to: spec.keyType }])
  return planAge(leaf, { renewAt: spec.renewAt, renewFrom: state.renewFrom }, now) ?? planAccess(spec, state)
}

const update = (reason: string, differences: readonly Difference[] = []): Change => ({
  action: 'update',
  certainty: 'dependent',
  reason,
  differences,
})

/** Whether one of these authorities (PEM) signed it. */
const isSigned = ({ pem }: Leaf, trusted: readonly string[]): boolean => {
  const certificate = new X509Certificate(pem)
  return trusted
    .map((one) => new X509Certificate(one))
    .some((authority) => certificate.checkIssued(authority) && certificate.verify(authority.publicKey))
}

/** Names of the key types in node:crypto. */
const NODE_KEY_TYPES = { ecdsa: 'ec', rsa: 'rsa' } as const

interface Renewal {
  /** Fraction of the lifetime. */
  readonly renewAt: number
  /** Time that the authority suggests. */
  readonly renewFrom?: number | undefined
}

const planAge = ({ from, to }: Leaf, { renewAt, renewFrom: suggested }: Renewal, now: Date): Change | undefined => {
  const due = from + (to - from) * renewAt
  // If the authority suggests a later time, most of the remaining time is kept for attempts after a failure.
  const renewFrom = suggested === undefined ? due : Math.min(suggested, due + (to - due) / 4)
  if (now.getTime() < renewFrom) return undefined
  const early = `its authority suggests a renewal from ${day(renewFrom)}`
  const reason = now.getTime() >= to ? `expired on ${day(to)}` : now.getTime() < due ? early : `expires on ${day(to)}`
  const change: Change = { action: 'update', certainty: 'dependent', reason, differences: [{ key: 'expires', from: day(to) }] }
  // A failed renewal is deferred during the first half of the remaining time, and an error after that.
  return now.getTime() < (renewFrom + to) / 2 ? { ...change, deferrableUntil: new Date(to) } : change
}

const day = (time: number): string => new Date(time).toISOString().slice(0, 10)

/** Owner and mode of both files. Fixing them needs no new certificate, so this change is `exact`. */
const planAccess = ({ group }: CertificateSpec, { chain, key }: CertificateState): Change | undefined => {
  if (chain === ABSENT || key === ABSENT) return undefined
  const desired = { mode: '644', owner: 'root', group: 'root', keyMode: keyModeOf(group), keyOwner: 'root', keyGroup: group }
  const found = { mode: chain.mode, owner: chain.owner, group: chain.group, keyMode: key.mode, keyOwner: key.owner, keyGroup: key.group }
  const keys = (Object.keys(desired) as (keyof typeof desired)[]).filter((name) => desired[name] !== found[name])
  if (keys.length === 0) return undefined
  const differences = keys.map((name) => ({ key: name, from: found[name], to: desired[name] }))
  return { action: 'update', certainty: 'exact', reason: 'owner or mode differs', differences }
}

const brokenReason = ({ chain, key, leaf }: CertificateState): string => {
  if (chain === ABSENT) return 'missing'
  if (chain.type !== 'f') return `${typeName(chain.type)} at its path`
  if (leaf === undefined) return 'not a certificate'
  return key === ABSENT ? 'private key missing' : 'private key of another certificate'
}
