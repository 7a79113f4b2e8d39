import { X509Certificate } from 'node:crypto'
import { ABSENT, typeName } from '../kind/inode.ts'
import type { Change, Difference } from '../kind/kind.ts'
import type { CertificateSpec, IssuedSpec, LeafSpec } from './certificate.ts'
import { type CertificateState, isPair, keyModeOf, type Leaf } from './observe.ts'

/** Any pair that belongs together will do. */
export const planPlaceholder = (state: CertificateState): Change | undefined => {
  if (isPair(state)) return undefined
  return { action: state.chain === ABSENT ? 'create' : 'update', certainty: 'dependent', reason: brokenReason(state), differences: [] }
}

/** A certificate through an ACME account. */
export const planIssued = (spec: IssuedSpec, state: CertificateState, now: Date): Change | undefined =>
  planPair(spec, state, now, (leaf) => {
    if (leaf.account === spec.account && leaf.keyDigest !== undefined) return undefined
    const from = leaf.account === undefined ? {} : { from: leaf.account }
    return update('comes from elsewhere', [{ key: 'account', ...from, to: spec.account }])
  })

/** A certificate of an authority of the site. Its word that it is one counts for nothing; the authority's signature does. */
export const planLeaf = (spec: LeafSpec, state: CertificateState, now: Date): Change | undefined =>
  planPair(spec, state, now, (leaf) => {
    const { key } = spec.authority
    if (leaf.account !== key || leaf.keyDigest === undefined || !isSigned(leaf, spec.authority.trusted()))
      return update('comes from elsewhere', [{ key: 'authority', from: leaf.issuer, to: key }])
    const [from, to] = [leaf.usages.join(', '), spec.usages.join(', ')]
    return from === to ? undefined : update('is good for something else', [{ key: 'usages', from, to }])
  })

/** What is the same for all: there, whole, for these names, of this origin, young enough, and its key for these eyes only. */
const planPair = (
  spec: IssuedSpec | LeafSpec,
  state: CertificateState,
  now: Date,
  planOrigin: (leaf: Leaf) => Change | undefined,
): Change | undefined => {
  const { chain, leaf } = state
  if (chain === ABSENT || leaf?.placeholder === true) {
    const reason = chain === ABSENT ? 'not issued yet' : 'only a placeholder is there'
    return { action: 'create', certainty: 'dependent', reason, differences: [] }
  }
  if (!isPair(state) || leaf === undefined) return update(brokenReason(state))
  if (state.revoked) return update('was revoked')
  const names = [...spec.names].sort().join(', ')
  if (leaf.names.join(', ') !== names) return update('names differ', [{ key: 'names', from: leaf.names.join(', '), to: names }])
  const origin = planOrigin(leaf)
  if (origin !== undefined) return origin
  if (leaf.keyType !== NODE_KEY_TYPES[spec.keyType]) return update('the key is of another type', [{ key: 'keyType', to: spec.keyType }])
  return planAge(leaf, spec.renewAt, now) ?? planAccess(spec, state)
}

const update = (reason: string, differences: readonly Difference[] = []): Change => ({
  action: 'update',
  certainty: 'dependent',
  reason,
  differences,
})

/** Whether one of these certificates (PEM) signed it. */
const isSigned = ({ pem }: Leaf, trusted: readonly string[]): boolean => {
  const certificate = new X509Certificate(pem)
  return trusted
    .map((one) => new X509Certificate(one))
    .some((authority) => certificate.checkIssued(authority) && certificate.verify(authority.publicKey))
}

/** What node:crypto calls them. */
const NODE_KEY_TYPES = { ecdsa: 'ec', rsa: 'rsa' } as const

const planAge = ({ from, to }: Leaf, renewAt: number, now: Date): Change | undefined => {
  const renewFrom = from + (to - from) * renewAt
  if (now.getTime() < renewFrom) return undefined
  const reason = now.getTime() >= to ? `expired on ${day(to)}` : `expires on ${day(to)}`
  const change: Change = { action: 'update', certainty: 'dependent', reason, differences: [{ key: 'expires', from: day(to) }] }
  // There is time for several runs. When half of it has passed, a person shall hear of it.
  return now.getTime() < (renewFrom + to) / 2 ? { ...change, deferrableUntil: new Date(to) } : change
}

const day = (time: number): string => new Date(time).toISOString().slice(0, 10)

/** Who may read the two files; mended without a new certificate, which is why this one verdict is `exact`. */
const planAccess = ({ group }: CertificateSpec, { chain, key }: CertificateState): Change | undefined => {
  if (chain === ABSENT || key === ABSENT) return undefined
  const desired = { mode: '644', owner: 'root', group: 'root', keyMode: keyModeOf(group), keyOwner: 'root', keyGroup: group }
  const found = { mode: chain.mode, owner: chain.owner, group: chain.group, keyMode: key.mode, keyOwner: key.owner, keyGroup: key.group }
  const keys = (Object.keys(desired) as (keyof typeof desired)[]).filter((name) => desired[name] !== found[name])
  if (keys.length === 0) return undefined
  const differences = keys.map((name) => ({ key: name, from: found[name], to: desired[name] }))
  return { action: 'update', certainty: 'exact', reason: 'others than intended may read or write it', differences }
}

const brokenReason = ({ chain, key, leaf }: CertificateState): string => {
  if (chain === ABSENT) return 'missing'
  if (chain.type !== 'f') return `is ${typeName(chain.type)}`
  if (leaf === undefined) return 'is no certificate'
  return key === ABSENT ? 'the private key is missing' : 'the private key belongs to another certificate'
}
