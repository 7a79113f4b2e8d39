import { overlap } from 'provision'
import type { Peers, Rate } from './policy.ts'

export const indent =
  (depth: number) =>
  (line: string): string =>
    line === '' ? '\n' : `${'  '.repeat(depth)}${line}\n`

// The kernel stores the comment of a rule, so that listings and plans show its purpose.
export const rule = (what: string, comment: string): string =>
  `${what} comment "${shortened(comment.replaceAll('"', "'").replaceAll(/\p{Cc}/gu, ' '))}"`

/** Shortens a comment to the 128 bytes that the kernel stores. */
const shortened = (comment: string): string => {
  const bytes = Buffer.from(comment)
  return bytes.length <= 128
    ? comment
    : `${bytes
        .subarray(0, 125)
        .toString()
        .replace(/\uFFFD$/, '')}...`
}

/** Sets of both address families, so that every set that a rule names exists. */
export const setsOf = (name: string, peers: Peers, isInterval = hasNetwork(peers)): readonly string[] =>
  ([4, 6] as const).map((family) => {
    const owned = peers.flatMap((peer) => ofFamily(peer.addresses, family).map((address) => [address, peer.name] as const))
    return `set ${name}${family} { type ipv${family}_addr;${isInterval ? ' flags interval;' : ''}${elementsOf(owned)} }`
  })

export const ofFamily = (addresses: readonly string[], family: 4 | 6): readonly string[] =>
  addresses.filter((one) => one.includes(':') === (family === 6))

/** The elements of a set. The comment of each names its owners. */
export const elementsOf = (owned: readonly (readonly [element: string, owner: string])[]): string => {
  const elements = [...Map.groupBy(owned, ([element]) => element)].map(([element, all]) =>
    rule(element, [...new Set(all.map(([, owner]) => owner))].join(' and ')),
  )
  return elements.length === 0 ? '' : ` elements = { ${elements.join(', ')} }`
}

/**
 * A name of the site within a name in nft, which consists of letters, digits and /-_. (`string` in its scanner.l). Different names stay
 * different: they would share a set and its peers. The prefixes of the result avoid the keywords of nft, such as `monitor`.
 */
export const within = (name: string): string => name.replaceAll(/[^A-Za-z0-9_.-]/gu, (letter) => `/${letter.codePointAt(0)?.toString(16)}/`)

const hasNetwork = (peers: Peers): boolean => peers.some(({ addresses }) => addresses.some((one) => one.includes('/')))

/** The peers without addresses that a network among them contains: the elements of a set of networks must not overlap. */
export const distinct = (peers: Peers): Peers => {
  const all = peers.flatMap(({ addresses }) => addresses)
  const isWithin = (one: string): boolean => all.some((other) => prefixOf(other) < prefixOf(one) && overlap(other, one))
  return hasNetwork(peers) ? peers.map((peer) => ({ ...peer, addresses: peer.addresses.filter((one) => !isWithin(one)) })) : peers
}

export const prefixOf = (address: string): number => Number(address.split('/')[1] ?? (address.includes(':') ? 128 : 32))

/** A rule for each address family that matches the elements of a set. */
export const fromSets = (match: string, set: string, counter: string, comment: string): readonly string[] => [
  rule(`${match} ip saddr @${set}4 counter name ${counter} accept`, comment),
  rule(`${match} ip6 saddr @${set}6 counter name ${counter} accept`, comment),
]

// An IPv6 client can use a whole /64.
const SOURCES = ['ip saddr', 'ip6 saddr & ffff:ffff:ffff:ffff::']

/** A limit of new connections per source: a set for each address family, and rules that drop what exceeds it. */
export const limitRules = (
  match: string,
  { perMinute, burst }: Rate,
  names: { readonly set: string; readonly counter: string; readonly comment: string },
): { readonly sets: readonly string[]; readonly rules: readonly string[] } => ({
  sets: ([4, 6] as const).map(
    (family) => `set ${names.set}${family} { type ipv${family}_addr; size 65535; flags dynamic,timeout; timeout 2m; }`,
  ),
  rules: SOURCES.map((source, i) => {
    const limit = `update @${names.set}${i === 0 ? 4 : 6} { ${source} limit rate over ${perMinute}/minute burst ${burst} packets }`
    return rule(`${match} ct state new ${limit} counter name ${names.counter} drop`, names.comment)
  }),
})
