import { type Flow, overlap } from 'provision'

type Peers = Exclude<Flow['from'], 'anyone'>

/** Parameters of a host's rules. */
export interface Policy {
  /** Ports of sshd now and after a restart. */
  readonly sshPorts: readonly number[]
  /** Networks that may connect to sshd. Empty: anyone may, at a limited rate. */
  readonly administrators: readonly string[]
  /** Limit of new SSH connections per address. Undefined: no limit. */
  readonly sshRate: { readonly perMinute: number; readonly burst: number } | undefined
  readonly forward: 'drop' | 'accept'
  /** Networks whose packets no rule accepts, apart from replies and ICMP. */
  readonly deny: readonly string[]
  readonly extra: readonly string[]
  /** Incoming flows of this host. */
  readonly flows: readonly Flow[]
}

/** Body of the table: admits the flows of the host, and drops everything else. */
export const rulesOf = (policy: Policy): string => {
  const incoming = policy.flows.map((flow) => flowRules(flow, policy.administrators.length > 0))
  const ssh = sshRules(policy)
  return `${[...administratorSets(policy), ...denySets(policy), ...ssh.sets, ...incoming.flatMap(({ sets }) => sets), ...counters(policy)].map(indent(1)).join('')}
  chain input {
    type filter hook input priority filter; policy drop;
${[...BASIC, ...denyRules(policy), ...extraRules(policy), '', ...ssh.rules, ...incoming.flatMap(({ rules }) => ['', ...rules]), ...DROP].map(indent(2)).join('')}  }

  chain forward {
    type filter hook forward priority filter; policy ${policy.forward};
  }
`
}

const indent =
  (depth: number) =>
  (line: string): string =>
    line === '' ? '\n' : `${'  '.repeat(depth)}${line}\n`

// The kernel stores the comment of a rule, so that listings and plans show its purpose.
const rule = (what: string, comment: string): string =>
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

const DROP: readonly string[] = [
  '',
  rule('counter name drop_input', 'dropped, counted and logged: everything else'),
  rule('limit rate 10/minute burst 5 packets log prefix "provision-drop: " level info', 'dropped, counted and logged: everything else'),
]

const extraRules = ({ extra }: Policy): readonly string[] => (extra.length === 0 ? [] : ['', '# rules of the option extra', ...extra])

// Rules of the user come before those that open ports. Otherwise they could not shut anybody out.
const denyRules = ({ deny }: Policy): readonly string[] =>
  deny.length === 0
    ? []
    : [
        '',
        ...['ip saddr @deny4', 'ip6 saddr @deny6'].map((match) => rule(`${match} counter name drop_deny drop`, 'dropped: the option deny')),
      ]

const denySets = ({ deny }: Policy): readonly string[] =>
  deny.length === 0 ? [] : setsOf('deny', [{ name: 'denied', addresses: deny }], ' flags interval;')

const counters = ({ flows, sshRate, administrators, deny }: Policy): readonly string[] => [
  ...[
    'in_ssh',
    ...flows.map(counterOf),
    'drop_invalid',
    ...(deny.length > 0 ? ['drop_deny'] : []),
    ...(sshRate && administrators.length === 0 ? ['drop_ssh_rate'] : []),
    'drop_input',
  ].map((name) => `counter ${name} { }`),
]

const administratorSets = ({ administrators }: Policy): readonly string[] =>
  administrators.length === 0 ? [] : setsOf('administrators', [{ name: 'administrators', addresses: administrators }], ' flags interval;')

/** Sets of both address families, so that every set that a rule names exists. The comment of each address names its owner. */
const setsOf = (name: string, peers: Peers, flags = ''): readonly string[] =>
  ([4, 6] as const).map((family) => {
    const owners = new Map<string, readonly string[]>()
    for (const peer of peers)
      for (const address of peer.addresses.filter((one) => one.includes(':') === (family === 6)))
        owners.set(address, [...new Set([...(owners.get(address) ?? []), peer.name])])
    const elements = [...owners].map(([address, owner]) => rule(address, owner.join(' and '))).join(', ')
    return `set ${name}${family} { type ipv${family}_addr;${flags}${elements === '' ? '' : ` elements = { ${elements} }`} }`
  })

const sshRules = ({ sshPorts, sshRate, administrators }: Policy): { sets: readonly string[]; rules: readonly string[] } => {
  const match = `tcp dport ${sshPorts.length === 1 ? sshPorts[0] : `{ ${sshPorts.join(', ')} }`}`
  const what = `${sshPorts.join(' and ')}/tcp (ssh)`
  if (administrators.length > 0) return { sets: [], rules: fromSets(match, 'administrators', 'in_ssh', what) }
  const accept = rule(`${match} counter name in_ssh accept`, `${what} from anyone`)
  if (sshRate === undefined) return { sets: [], rules: [accept] }
  const rate = `limit rate over ${sshRate.perMinute}/minute burst ${sshRate.burst} packets`
  // An IPv6 client can use a whole /64.
  const sources = ['ip saddr', 'ip6 saddr & ffff:ffff:ffff:ffff::']
  const meters = ['ssh_meter4', 'ssh_meter6']
  return {
    sets: ['ipv4_addr', 'ipv6_addr'].map((type, i) => `set ${meters[i]} { type ${type}; size 65535; flags dynamic,timeout; timeout 2m; }`),
    rules: [
      ...sources.map((source, i) =>
        rule(
          `${match} ct state new update @${meters[i]} { ${source} ${rate} } counter name drop_ssh_rate drop`,
          `dropped: SSH, more than ${sshRate.perMinute} new connections per minute from one address`,
        ),
      ),
      accept,
    ],
  }
}

// Names in nft consist of letters, digits and _. The prefixes avoid its keywords, such as `monitor`.
const plain = (name: string): string => name.replaceAll(/[^A-Za-z0-9]/g, '_')
const counterOf = ({ service, port, protocol }: Flow): string => `in_${protocol}_${port}_${plain(service)}`
const setOf = ({ service, port, protocol }: Flow): string => `to_${protocol}_${port}_${plain(service)}_`

/** Whether a flow is for administrators. It has no addresses, because they are an option of this role. */
export const isForAdministrators = ({ from }: Flow): boolean => from !== 'anyone' && from.some(({ addresses }) => addresses.length === 0)

/** Sets and rules of a flow. The peers are sets, so that a new peer is an element and not a rule. */
const flowRules = (flow: Flow, knowsAdministrators: boolean): { sets: readonly string[]; rules: readonly string[] } => {
  const { from, port, protocol, role, service } = flow
  const match = protocol === 'vrrp' ? 'meta l4proto 112' : `${protocol} dport ${port}`
  const counter = counterOf(flow)
  const comment = `${protocol === 'vrrp' ? protocol : `${port}/${protocol}`} (${service}) for ${role}`
  if (from === 'anyone') return { sets: [], rules: [rule(`${match} counter name ${counter} accept`, `${comment}, from anyone`)] }
  const peers = distinct(from.filter(({ addresses }) => addresses.length > 0))
  const administrators = isForAdministrators(flow) && knowsAdministrators
  return {
    sets: peers.length === 0 ? [] : setsOf(setOf(flow), peers, hasNetwork(peers) ? ' flags interval;' : ''),
    rules: [
      ...(peers.length === 0 ? [] : fromSets(match, setOf(flow), counter, comment)),
      ...(administrators ? fromSets(match, 'administrators', counter, comment) : []),
    ],
  }
}

const hasNetwork = (peers: Peers): boolean => peers.some(({ addresses }) => addresses.some((one) => one.includes('/')))

/** The peers without addresses that a network among them contains: the elements of a set of networks must not overlap. */
const distinct = (peers: Peers): Peers => {
  const all = peers.flatMap(({ addresses }) => addresses)
  const isWithin = (one: string): boolean => all.some((other) => prefixOf(other) < prefixOf(one) && overlap(other, one))
  return hasNetwork(peers) ? peers.map((peer) => ({ ...peer, addresses: peer.addresses.filter((one) => !isWithin(one)) })) : peers
}

const prefixOf = (address: string): number => Number(address.split('/')[1] ?? (address.includes(':') ? 128 : 32))

const fromSets = (match: string, set: string, counter: string, comment: string): readonly string[] => [
  rule(`${match} ip saddr @${set}4 counter name ${counter} accept`, comment),
  rule(`${match} ip6 saddr @${set}6 counter name ${counter} accept`, comment),
]
