import type { Outgoing, Policy, SitePort } from './policy.ts'
import { distinct, elementsOf, indent, ofFamily, rule, setsOf, within } from './text.ts'

/**
 * Outgoing packets that every host needs. apt downloads with the account _apt, which every host has. Root downloads images, files, and what
 * scripts of packages need.
 */
export const ALWAYS: readonly string[] = [
  rule('oif "lo" accept', 'loopback'),
  rule('ct state established,related accept', 'replies, also of sshd'),
  rule('ct status dnat accept', 'to containers of this host'),
  rule('meta l4proto { icmp, icmpv6 } accept', 'ICMP'),
  rule('meta l4proto { 2, 103 } accept', 'multicast groups'),
  rule('udp dport { 67, 547 } accept', 'DHCP'),
  rule('udp dport { 53, 123, 853 } accept', 'DNS and NTP'),
  rule('tcp dport { 53, 853, 4460 } accept', 'DNS and NTS'),
  rule('meta skuid "_apt" accept', 'packages'),
  rule('meta skuid 0 tcp dport { 80, 443 } accept', 'downloads of root'),
]

export const outgoingCounters = ({ outgoing }: Policy): readonly string[] => (outgoing === undefined ? [] : ['drop_output'])

const SITE = ['tcp', 'udp'] as const

/** Sets of the ports of the site, and of the peers of the option. */
export const outgoingSets = ({ outgoing }: Policy): readonly string[] =>
  outgoing === undefined
    ? []
    : [
        ...SITE.flatMap((protocol) => ([4, 6] as const).map((family) => siteSet(outgoing.site, protocol, family))),
        ...outgoing.to.flatMap(({ name, to }) => (to === 'anyone' ? [] : setsOf(peersOf(name), distinct(to)))),
      ]

const peersOf = (name: string): string => `out_${within(name)}_`

const siteSet = (ports: readonly SitePort[], protocol: 'tcp' | 'udp', family: 4 | 6): string => {
  const owned = ports
    .filter((one) => one.protocol === protocol)
    .flatMap(({ name, addresses, port }) => ofFamily(addresses, family).map((address) => [`${address} . ${port}`, name] as const))
  return `set site_${protocol}${family} { type ipv${family}_addr . inet_service;${elementsOf(owned)} }`
}

/** The chain of outgoing packets; empty without the option. */
export const outgoingChain = ({ outgoing }: Policy): string => {
  if (outgoing === undefined) return ''
  const isDropping = outgoing.policy === 'drop'
  const site = SITE.flatMap((protocol) => [
    rule(`ip daddr . ${protocol} dport @site_${protocol}4 accept`, 'ports of the site'),
    rule(`ip6 daddr . ${protocol} dport @site_${protocol}6 accept`, 'ports of the site'),
  ])
  const vrrp = outgoing.site.some(({ protocol }) => protocol === 'vrrp')
    ? [rule('meta l4proto 112 accept', 'load balancers that monitor each other')]
    : []
  const other = isDropping ? 'dropped, counted and logged: everything else' : 'accepted, counted and logged: everything else'
  const rules = [
    ...ALWAYS,
    ...site,
    ...vrrp,
    ...outgoing.to.flatMap(outgoingRules),
    '',
    rule('counter name drop_output', other),
    rule(`limit rate 10/minute burst 5 packets log prefix "provision-out: " level info flags skuid`, other),
  ]
  return `
  chain output {
    type filter hook output priority filter; policy ${isDropping ? 'drop' : 'accept'};
${rules.map(indent(2)).join('')}  }
`
}

/** Rules of an entry of the option, without the sets that they name. */
export const outgoingRules = ({ name, port, protocol, to, why }: Outgoing): readonly string[] => {
  const match = port === undefined ? `meta l4proto ${protocol}` : `${protocol} dport ${port}`
  const comment = `${port === undefined ? protocol : `${port}/${protocol}`} (${name})${why === undefined ? '' : `: ${why}`}`
  return to === 'anyone'
    ? [rule(`${match} accept`, comment)]
    : [rule(`${match} ip daddr @${peersOf(name)}4 accept`, comment), rule(`${match} ip6 daddr @${peersOf(name)}6 accept`, comment)]
}
