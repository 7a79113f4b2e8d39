import { rule } from './text.ts'

// ICMP errors come first: path MTU discovery depends on them, so they are neither limited nor dropped as invalid. The other ICMPv6
// messages are those of RFC 4890 section 4.4. Numbers are used where nft has no name, or reads it from a file that a bare host lacks.
export const BASIC: readonly string[] = [
  rule('iif "lo" accept', 'loopback'),
  rule('icmp type { destination-unreachable, time-exceeded, parameter-problem } accept', 'ICMP errors'),
  rule('icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept', 'ICMP errors'),
  rule('ct state established,related accept', 'replies to connections of this host'),
  '# neighbours and routers, also inverse (141, 142) and secured (148, 149); multicast routers (151 to 153)',
  rule(
    'icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, nd-redirect, 141, 142, 148, 149 } ip6 hoplimit 255 accept',
    'IPv6 neighbours and routers',
  ),
  rule(
    'icmpv6 type { mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report, 151, 152, 153 } ip6 saddr fe80::/10 accept',
    'IPv6 multicast',
  ),
  rule('ct state invalid counter name drop_invalid drop', 'dropped: packets of no connection'),
  rule('icmp type echo-request limit rate 20/second burst 40 packets accept', 'pings, at most 20 per second'),
  rule('icmpv6 type echo-request limit rate 20/second burst 40 packets accept', 'pings, at most 20 per second'),
  '# sent to a multicast group, so connection tracking does not match them as replies',
  rule('udp sport 67 udp dport 68 accept', 'DHCP replies'),
  rule('ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept', 'DHCP replies'),
]

/** The last rules of a chain: everything else is dropped. */
export const DROP: readonly string[] = [
  '',
  rule('counter name drop_input', 'dropped, counted and logged: everything else'),
  rule('limit rate 10/minute burst 5 packets log prefix "provision-drop: " level info', 'dropped, counted and logged: everything else'),
]
