import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import type { Outgoing, Policy } from '../../../../roles/firewall/rules/policy.ts'
import { rulesOf } from '../../../../roles/firewall/rules/rules.ts'
import type { Flow } from '../../../../src/role/role.ts'

const flow = (service: string, port: number, from: Flow['from'], more: Partial<Flow> = {}): Flow => ({
  ...{ host: 'h1', role: 'test', service, port, protocol: 'tcp', encrypted: false, from },
  ...more,
})
const ONE = [{ name: 'one', addresses: ['10.0.0.2'] }]

const policy = (more: Partial<Policy> = {}): Policy => ({
  ...{ sshPorts: [22], administrators: ['10.0.0.0/24'], sshRate: undefined, forward: 'drop', deny: [], extra: [], flows: [] },
  ...more,
})

// What netavark does for a port that podman publishes on all addresses.
const PUBLISHED = `table inet netavark { chain PREROUTING { type nat hook prerouting priority dstnat; policy accept;
  fib daddr type local tcp dport 8080 dnat ip to 10.88.0.2:80
  fib daddr type local tcp dport 8081 dnat ip to 10.88.0.2:81
}; }`

/**
 * A host (10.0.0.1, 10.88.0.1) between visitors (10.0.0.2 to 4) and a container (10.88.0.2), as network namespaces without listeners. A
 * packet that arrives is refused, a packet that is dropped gets no answer. `visitor`, `container` and `host` name who connects.
 */
const ask = (rules: Policy, asked: readonly string[], foreign = ''): Readonly<Record<string, string>> => {
  const script = `set -e
unshare -n sleep 60 & visitor=$!
unshare -n sleep 60 & container=$!
trap 'kill $visitor $container' EXIT
for other in $visitor $container; do until [ "$(readlink /proc/$other/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done; done
echo 1 >/proc/sys/net/ipv4/ip_forward
ip link set lo up
ip link add v0 type veth peer name v1 netns $visitor; ip link add c0 type veth peer name c1 netns $container
ip addr add 10.0.0.1/24 dev v0; ip addr add 10.88.0.1/24 dev c0; ip link set v0 up; ip link set c0 up
nsenter -t $visitor -n sh -c 'ip link set lo up; ip link set v1 up; for n in 2 3 4; do ip addr add 10.0.0.$n/24 dev v1; done'
nsenter -t $container -n sh -c 'ip link set lo up; ip addr add 10.88.0.2/24 dev c1; ip link set c1 up; ip route add default via 10.88.0.1'
nft -f - <<'RULES'
${foreign}
table inet provision {
${rulesOf(rules)}}
RULES
ask() { who=$1; shift; [ $# = 0 ] || case $who in host) perl -e "$probe" "$@";; visitor) nsenter -t $visitor -n perl -e "$probe" "$@";; container) nsenter -t $container -n perl -e "$probe" "$@";; esac; }
probe=$1
${['host', 'visitor', 'container']
  .map(
    (who) =>
      `ask ${who} ${asked
        .filter((one) => one.startsWith(`${who} `))
        .map((one) => `'${one}'`)
        .join(' ')}`,
  )
  .join('\n')}
nft list counters table inet provision | tr -s '\\n\\t ' ' ' | grep -o 'counter [a-z_0-9]* { packets [0-9]*' | sed 's/counter \\(.*\\) { packets /count \\1=/'`
  const { status, stdout, stderr } = spawnSync('unshare', ['-n', 'sh', '-c', script, 'sh', PROBE], { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return Object.fromEntries(
    stdout
      .trim()
      .split('\n')
      .map((line) => line.split('=') as [string, string]),
  )
}

/** Sends each packet at the same time: `WHO PROTOCOL FROM TO PORT [ACCOUNT]`. */
const PROBE = `use IO::Socket::IP; use POSIX ();
for my $one (@ARGV) {
  next if fork;
  my ($who, $protocol, $from, $to, $port, $account) = split / /, $one;
  POSIX::setuid(scalar getpwnam $account) if $account && $account !~ /^#/;
  my $answer = 'silent';
  my $s = IO::Socket::IP->new(LocalHost => $from, PeerHost => $to, PeerPort => $port, Proto => $protocol, Timeout => 0.7);
  $answer = 'refused' if !$s && $! == 111;
  if ($s && $protocol eq 'udp') {
    send $s, 'x', 0; my $bits = ''; vec($bits, fileno $s, 1) = 1;
    $answer = 'refused' if select($bits, undef, undef, 0.5) && !defined(recv $s, my $x, 1, 0);
  }
  syswrite STDOUT, "$one=$answer\\n"; POSIX::_exit(0);
}
1 while wait > 0;`

const isRoot = process.getuid?.() === 0
const has = (command: string): boolean => spawnSync('sh', ['-c', `command -v ${command}`]).status === 0

describe.skipIf(!isRoot || !['nft', 'ip', 'unshare', 'nsenter', 'perl'].every(has))('packets through a host with these rules', () => {
  const published = [flow('shop', 8080, ONE, { forwarded: true })]

  it('reach a published port of a container from its peers only', () => {
    const expected = {
      'visitor tcp 10.0.0.2 10.0.0.1 8080': 'refused',
      'visitor tcp 10.0.0.3 10.0.0.1 8080': 'silent',
      'visitor tcp 10.0.0.2 10.0.0.1 8081': 'silent',
      'container tcp 10.88.0.2 10.0.0.3 9000': 'silent',
    }
    const answers = ask(policy({ flows: published }), Object.keys(expected), PUBLISHED)
    expect(answers).toMatchObject(expected)
    expect(answers['count in_tcp_8080_shop']).toBe('1')
    expect(Number(answers['count drop_forward'])).toBeGreaterThan(0)
  })

  it('never reach a port with peers from other or denied hosts, even with the policy accept', () => {
    const [one, two, other] = [
      'visitor tcp 10.0.0.2 10.0.0.1 8080',
      'visitor tcp 10.0.0.3 10.0.0.1 8080',
      'visitor tcp 10.0.0.3 10.0.0.1 8081',
    ]
    expect(ask(policy({ flows: published, forward: 'accept' }), [one, two, other], PUBLISHED)).toMatchObject({
      [one]: 'refused',
      [two]: 'silent',
      [other]: 'refused',
    })
    expect(ask(policy({ flows: published, deny: ['10.0.0.2'] }), [one], PUBLISHED)).toMatchObject({ [one]: 'silent' })
  })

  it('are passed on, and replies return, as configured', () => {
    const expected = {
      'visitor tcp 10.0.0.2 10.0.0.1 8443': 'refused',
      'visitor tcp 10.0.0.3 10.0.0.1 8443': 'silent',
      // The visitors have no route to the container: only a packet with the address of the host gets an answer.
      'container tcp 10.88.0.2 10.0.0.3 9000': 'refused',
      'container udp 10.88.0.2 10.88.0.1 53': 'refused',
      'visitor udp 10.0.0.2 10.0.0.1 53': 'silent',
    }
    const rules = policy({
      flows: [
        flow('shop', 8443, ONE, { forwarded: true }),
        flow('dns', 53, 'anyone', { protocol: 'udp', interface: 'c0', why: 'names for containers' }),
      ],
      forwards: [{ name: 'shop', port: 8443, protocol: 'tcp', to: '10.88.0.2', toPort: 443 }],
      interfaces: [
        { name: 'c0', forward: ['v0'], masquerade: [] },
        { name: 'v0', forward: [], masquerade: ['10.88.0.0/24'] },
      ],
    })
    expect(ask(rules, Object.keys(expected))).toMatchObject(expected)
    const without = policy({ interfaces: [{ name: 'c0', forward: ['v0'], masquerade: [] }] })
    expect(ask(without, ['container tcp 10.88.0.2 10.0.0.3 9000'])).toMatchObject({ 'container tcp 10.88.0.2 10.0.0.3 9000': 'silent' })
  })

  it('are limited per port and address', () => {
    const rules = policy({ flows: [flow('api', 9100, 'anyone', { rate: { perMinute: 6, burst: 3 } }), flow('free', 9200, ONE)] })
    const knocks = (from: string, port: number) => Array.from({ length: 8 }, (_, i) => `visitor tcp ${from} 10.0.0.1 ${port} #${i}`)
    const answers = ask(rules, [...knocks('10.0.0.2', 9100), ...knocks('10.0.0.3', 9100), ...knocks('10.0.0.2', 9200)])
    const passed = (from: string, port: number) => knocks(from, port).filter((one) => answers[one] === 'refused').length
    expect([passed('10.0.0.2', 9100), passed('10.0.0.3', 9100), passed('10.0.0.2', 9200)]).toEqual([3, 3, 8])
    expect(Number(answers['count drop_rate'])).toBeGreaterThanOrEqual(10)
  })

  const smtp: Outgoing = { name: 'smtp', port: 587, protocol: 'tcp', to: 'anyone', why: undefined }
  const peers: Outgoing = { name: 'db', port: undefined, protocol: 'tcp', to: [{ name: 'net', addresses: ['10.0.0.4/31'] }], why: 'copies' }
  const outgoing = {
    ...{ policy: 'drop' as const, to: [smtp, peers] },
    site: [{ name: 'site of web', addresses: ['10.0.0.2', 'fd00::2'], port: 8080, protocol: 'tcp' as const }],
  }

  it('leave the host only if they are permitted, needed, or replies', () => {
    const expected = {
      'host tcp 10.0.0.1 10.0.0.2 8080': 'refused',
      'host tcp 10.0.0.1 10.0.0.3 8080': 'silent',
      'host tcp 10.0.0.1 10.0.0.3 587': 'refused',
      'host tcp 10.0.0.1 10.0.0.4 9999': 'refused',
      'host udp 10.0.0.1 10.0.0.3 53': 'refused',
      'host udp 10.0.0.1 10.0.0.3 123': 'refused',
      'host udp 10.0.0.1 10.0.0.3 1000': 'silent',
      'host tcp 10.0.0.1 10.0.0.3 443': 'refused',
      'host tcp 10.0.0.1 10.0.0.3 443 nobody': 'silent',
      'host tcp 10.0.0.1 10.0.0.3 3128 _apt': 'refused',
      'host tcp 127.0.0.1 127.0.0.1 3306 nobody': 'refused',
      'visitor tcp 10.0.0.2 10.0.0.1 22': 'refused',
    }
    const answers = ask(policy({ outgoing }), Object.keys(expected))
    expect(answers).toMatchObject(expected)
    expect(Number(answers['count drop_output'])).toBeGreaterThanOrEqual(3)
  })

  it('leave the host, and are counted, while the option only logs', () => {
    const answers = ask(policy({ outgoing: { ...outgoing, policy: 'log' } }), [
      'host tcp 10.0.0.1 10.0.0.3 8080',
      'host udp 10.0.0.1 10.0.0.3 53',
    ])
    expect(answers).toMatchObject({ 'host tcp 10.0.0.1 10.0.0.3 8080': 'refused', 'count drop_output': '1' })
  })
})
