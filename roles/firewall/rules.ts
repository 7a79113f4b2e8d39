import type { Flow } from 'provision'

/** What the rules of one host follow from. */
export interface Policy {
  readonly sshPort: number
  /** Networks that may come to sshd; empty: anyone may, at a limited rate. */
  readonly administrators: readonly string[]
  /** New connections from one address; undefined: no limit. */
  readonly sshRate: { readonly perMinute: number; readonly burst: number } | undefined
  readonly forward: 'drop' | 'accept'
  readonly extra: readonly string[]
  /** The ways in of this host. */
  readonly flows: readonly Flow[]
}

/** The body of our table: nobody comes in but as the roles of this host say. */
export const rulesOf = (policy: Policy): string => {
  const ways = policy.flows.map((flow) => wayIn(flow, policy.administrators.length > 0))
  const ssh = sshRules(policy)
  return `${[...administratorSets(policy), ...ssh.sets, ...ways.flatMap(({ sets }) => sets), ...counters(policy)].map(indent(1)).join('')}
  chain input {
    type filter hook input priority filter; policy drop;
${[...BASIC, '', ...ssh.rules, ...ways.flatMap(({ rules }) => ['', ...rules]), ...extraRules(policy), ...DROP].map(indent(2)).join('')}  }

  chain forward {
    type filter hook forward priority filter; policy ${policy.forward};
  }
`
}

const indent =
  (depth: number) =>
  (line: string): string =>
    line === '' ? '\n' : `${'  '.repeat(depth)}${line}\n`

// Errors first: path MTU discovery lives on them, so they are neither limited nor lost as "invalid". What else a host needs of
// ICMPv6 is RFC 4890 section 4.4. Numbers stand for what nft has no name for (or takes from a file that a bare host lacks).
const BASIC: readonly string[] = [
  'iif "lo" accept',
  'icmp type { destination-unreachable, time-exceeded, parameter-problem } accept',
  'icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept',
  'ct state established,related accept',
  '# neighbours, routers, multicast listeners, secure neighbour discovery, multicast routers',
  'icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, nd-redirect, 141, 142, 148, 149 } ip6 hoplimit 255 accept',
  'icmpv6 type { mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report, 151, 152, 153 } ip6 saddr fe80::/10 accept',
  'ct state invalid counter name drop_invalid drop',
  'icmp type echo-request limit rate 20/second burst 40 packets accept',
  'icmpv6 type echo-request limit rate 20/second burst 40 packets accept',
  '# replies to a DHCP client: sent to a group, so tracking does not know them for replies',
  'udp sport 67 udp dport 68 accept',
  'ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept',
]

const DROP: readonly string[] = [
  '',
  'counter name drop_input',
  'limit rate 10/minute burst 5 packets log prefix "provision-drop: " level info',
]

const extraRules = ({ extra }: Policy): readonly string[] => (extra.length === 0 ? [] : ['', '# from the option extra', ...extra])

const counters = ({ flows, sshRate, administrators }: Policy): readonly string[] => [
  ...[
    'in_ssh',
    ...flows.map(counterOf),
    'drop_invalid',
    ...(sshRate && administrators.length === 0 ? ['drop_ssh_rate'] : []),
    'drop_input',
  ].map((name) => `counter ${name} { }`),
]

const administratorSets = ({ administrators }: Policy): readonly string[] =>
  administrators.length === 0 ? [] : setsOf('administrators', administrators, ' flags interval; auto-merge;')

/** Sets of both families, so that a rule never names one that is not there; a family without addresses is an empty set. */
const setsOf = (name: string, addresses: readonly string[], flags = ''): readonly string[] =>
  ([4, 6] as const).map((family) => {
    const own = addresses.filter((one) => one.includes(':') === (family === 6))
    const elements = own.length === 0 ? '' : ` elements = { ${own.join(', ')} }`
    return `set ${name}${family} { type ipv${family}_addr;${flags}${elements} }`
  })

const sshRules = ({ sshPort, sshRate, administrators }: Policy): { sets: readonly string[]; rules: readonly string[] } => {
  if (administrators.length > 0)
    return { sets: [], rules: fromSets(`tcp dport ${sshPort}`, 'administrators', 'in_ssh', `${sshPort}/tcp (ssh) from the administrators`) }
  const accept = `tcp dport ${sshPort} counter name in_ssh accept`
  const comment = `# ${sshPort}/tcp (ssh) from anyone`
  if (sshRate === undefined) return { sets: [], rules: [comment, accept] }
  const rate = `limit rate over ${sshRate.perMinute}/minute burst ${sshRate.burst} packets`
  // A visitor with IPv6 has a whole /64 to come from.
  const sources = ['ip saddr', 'ip6 saddr & ffff:ffff:ffff:ffff::']
  const meters = ['ssh_meter4', 'ssh_meter6']
  return {
    sets: ['ipv4_addr', 'ipv6_addr'].map((type, i) => `set ${meters[i]} { type ${type}; size 65535; flags dynamic,timeout; timeout 2m; }`),
    rules: [
      `${comment}, at most ${sshRate.perMinute} new connections a minute from one address`,
      ...sources.map(
        (source, i) => `tcp dport ${sshPort} ct state new update @${meters[i]} { ${source} ${rate} } counter name drop_ssh_rate drop`,
      ),
      accept,
    ],
  }
}

// nft takes letters, digits and _ in names; a name of its own language (`monitor`) must not be one of ours, hence the prefixes.
const plain = (name: string): string => name.replaceAll(/[^A-Za-z0-9]/g, '_')
const counterOf = ({ service, port, protocol }: Flow): string => `in_${protocol}_${port}_${plain(service)}`
const setOf = ({ service, port, protocol }: Flow): string => `to_${protocol}_${port}_${plain(service)}_`

/** The administrators are an option of this role, so a flow names them without addresses. */
export const isForAdministrators = ({ from }: Flow): boolean => from !== 'anyone' && from.some(({ addresses }) => addresses.length === 0)

/** One way in: its peers as sets, so that a new peer is an element and not a rule. */
const wayIn = (flow: Flow, knowsAdministrators: boolean): { sets: readonly string[]; rules: readonly string[] } => {
  const { from, port, protocol, role, service } = flow
  const match = `${protocol} dport ${port}`
  const counter = counterOf(flow)
  const comment = (whom: string): string => `${port}/${protocol} (${service}) from ${whom}, for ${role}`
  if (from === 'anyone') return { sets: [], rules: [`# ${comment('anyone')}`, `${match} counter name ${counter} accept`] }
  const peers = from.filter(({ addresses }) => addresses.length > 0)
  const administrators = isForAdministrators(flow) && knowsAdministrators
  const names = peers.map(({ name }) => name).join(', ')
  return {
    sets: peers.length === 0 ? [] : setsOf(setOf(flow), [...new Set(peers.flatMap(({ addresses }) => addresses))]),
    rules: [
      ...(peers.length === 0 ? [] : fromSets(match, setOf(flow), counter, comment(names))),
      ...(administrators ? fromSets(match, 'administrators', counter, comment('the administrators')) : []),
    ],
  }
}

const fromSets = (match: string, set: string, counter: string, comment: string): readonly string[] => [
  `# ${comment}`,
  `${match} ip saddr @${set}4 counter name ${counter} accept`,
  `${match} ip6 saddr @${set}6 counter name ${counter} accept`,
]
