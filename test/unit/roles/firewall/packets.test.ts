import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import firewall from '../../../../roles/firewall/role.ts'
import type { Policy } from '../../../../roles/firewall/rules/policy.ts'
import { rulesOf } from '../../../../roles/firewall/rules/rules.ts'
import type { Flow } from '../../../../src/role/role.ts'

const flow = (service: string, port: number, from: Flow['from']): Flow => ({
  ...{ host: 'h1', role: 'test', service, port, protocol: 'tcp', encrypted: false, from },
})

const policy: Policy = {
  sshPorts: [22],
  administrators: ['10.0.0.2', 'fd00::2'],
  sshRate: { perMinute: 6, burst: 3 },
  forward: 'drop',
  deny: ['10.0.0.4', 'fd00::4'],
  extra: ['ip saddr 10.0.0.5 tcp dport 9100 drop', 'tcp dport 7000 accept'],
  flows: [
    flow('site', 8080, [{ name: 'peer', addresses: ['10.0.0.2', 'fd00::2'] }]),
    flow('open', 9100, 'anyone'),
    flow('network', 9300, [
      { name: '10.0.0.2/31', addresses: ['10.0.0.2/31'] },
      { name: 'within', addresses: ['10.0.0.3'] },
    ]),
    flow('metrics', 9200, [{ name: 'administrators', addresses: [] }]),
  ],
}

/**
 * A host (10.0.0.1) with rules and no listener, and a visitor with many addresses, as two network namespaces. A packet that passes is
 * refused by the host; a packet that is dropped gets no answer.
 */
const ask = (rules: Policy, asked: readonly string[]): Readonly<Record<string, string>> => {
  const script = `set -e
unshare -n sleep 60 & visitor=$!
trap 'kill $visitor' EXIT
until [ "$(readlink /proc/$visitor/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
ip link set lo up
ip link add v0 type veth peer name v1 netns $visitor
ip addr add 10.0.0.1/24 dev v0; ip -6 addr add fd00::1/64 dev v0 nodad; ip link set v0 addrgenmode none
ip link set v0 up; ip -6 addr add fe80::1/64 dev v0 nodad
as() { nsenter -t $visitor -n "$@"; }
as ip link set lo up; as ip link set v1 addrgenmode none; as ip link set v1 up; as ip -6 addr add fe80::2/64 dev v1 nodad
for n in 2 3 4 5; do as ip addr add 10.0.0.$n/24 dev v1; as ip -6 addr add fd00::$n/64 dev v1 nodad; done
nft -f - <<'RULES'
table inet provision {
${rulesOf(rules)}}
RULES
for one in ${asked
    .filter((one) => one.startsWith('out '))
    .map((one) => `'${one}'`)
    .join(' ')}; do perl -e "$1" "$one"; done
as perl -e "$1" ${asked
    .filter((one) => !one.startsWith('out '))
    .map((one) => `'${one}'`)
    .join(' ')}
nft list counters table inet provision | tr -s '\\n\\t ' ' ' | grep -o 'counter [a-z_0-9]* { packets [0-9]*' | sed 's/counter \\(.*\\) { packets /count \\1=/'`
  const { status, stdout, stderr } = spawnSync('unshare', ['-n', 'sh', '-c', script, 'sh', PROBE], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(stderr)
  return Object.fromEntries(
    stdout
      .trim()
      .split('\n')
      .map((line) => line.split('=') as [string, string]),
  )
}

/** Sends each packet at the same time, and prints `refused` if it reached the host, otherwise `silent`. */
const PROBE = `use IO::Socket::IP; use Socket;
for my $one (@ARGV) {
  next if fork;
  my ($kind, $from, $to, $port, $own) = split / /, $one;
  my $answer = 'silent';
  if ($kind eq 'ping') {
    socket(my $s, AF_INET, SOCK_RAW, 1); bind $s, pack_sockaddr_in(0, inet_aton($from));
    for my $i (1 .. $port) {
      my $head = pack 'CCnnn', 8, 0, 0, $$ + $i & 0xffff, $i; my $sum = 0; $sum += $_ for unpack 'n*', $head;
      $sum = ($sum & 0xffff) + ($sum >> 16);
      send $s, pack('CCnnn', 8, 0, ~$sum & 0xffff, $$ + $i & 0xffff, $i), 0, pack_sockaddr_in(0, inet_aton($to));
    }
    my $answers = 0; my $bits = ''; vec($bits, fileno $s, 1) = 1;
    while (select(my $ready = $bits, undef, undef, 0.4)) { recv $s, my $packet, 100, 0; $answers++ if ord(substr $packet, 20) == 0 }
    $answer = $answers;
  } else {
    my $s = IO::Socket::IP->new(LocalHost => $from, ($own ? (LocalPort => $own, ReuseAddr => 1) : ()), PeerHost => $to, PeerPort => $port, Proto => $kind eq 'udp' ? 'udp' : 'tcp', Timeout => 0.7);
    $answer = 'refused' if !$s && $! == 111;
    if ($s && $kind eq 'udp') {
      send $s, 'x', 0; my $bits = ''; vec($bits, fileno $s, 1) = 1;
      $answer = 'refused' if select($bits, undef, undef, 0.5) && !defined(recv $s, my $x, 1, 0);
    }
  }
  syswrite STDOUT, "$one=$answer\\n"; exit;
}
1 while wait > 0;`

/** Runs the checks of the role in a network namespace with these rules. Returns the names of those that fail, with their output. */
const failing = (rules: string, { sshPort = 22, enabled = true, pending = false, options = {} } = {}): readonly string[] => {
  const directory = mkdtempSync(join(tmpdir(), 'provision-checks-'))
  try {
    const commands = { sshd: `echo port ${sshPort}`, systemctl: enabled ? 'exit 0' : 'exit 1' }
    for (const [name, script] of Object.entries(commands)) writeFileSync(join(directory, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
    writeFileSync(join(directory, 'inet-provision.nft'), rules)
    if (pending) writeFileSync(join(directory, 'inet-provision.pending.1'), '')
    const checks =
      firewall.verify?.({ host: { name: 'web' }, options: firewall.options.parse(options) } as unknown as Parameters<
        NonNullable<typeof firewall.verify>
      >[0]) ?? []
    return checks.flatMap(({ name, script }) => {
      const here = String(script).replaceAll(/\/(etc|var\/lib)\/provision\/nftables/g, directory)
      const { status, stdout, stderr } = spawnSync(
        'unshare',
        // A check changes nothing.
        [
          '-n',
          'sh',
          '-c',
          `nft -f "$1"; before=$(nft -s list ruleset); ( ${here}\n); status=$?
[ "$before" = "$(nft -s list ruleset)" ] || { echo 'it changed the rules'; exit 1; }; exit $status`,
          'sh',
          join(directory, 'inet-provision.nft'),
        ],
        {
          encoding: 'utf8',
          env: { ...process.env, PATH: `${directory}:${process.env.PATH}` },
        },
      )
      return status === 0 ? [] : [`${name}: ${stdout}${stderr}`.trim()]
    })
  } finally {
    rmSync(directory, { recursive: true })
  }
}

const isRoot = process.getuid?.() === 0
const has = (command: string): boolean => spawnSync('sh', ['-c', `command -v ${command}`]).status === 0

describe.skipIf(!isRoot || !['nft', 'ip', 'unshare', 'nsenter', 'perl'].every(has))('packets to a host with these rules', () => {
  it('pass only from permitted peers, over IPv4 and IPv6', () => {
    const expected = {
      'tcp 10.0.0.2 10.0.0.1 22': 'refused',
      'tcp fd00::2 fd00::1 22': 'refused',
      'tcp 10.0.0.3 10.0.0.1 22': 'silent',
      'tcp 10.0.0.2 10.0.0.1 9300': 'refused',
      'tcp 10.0.0.3 10.0.0.1 9300': 'refused',
      'tcp 10.0.0.5 10.0.0.1 9300': 'silent',
      'tcp fd00::3 fd00::1 22': 'silent',
      'tcp 10.0.0.2 10.0.0.1 8080': 'refused',
      'tcp fd00::2 fd00::1 8080': 'refused',
      'tcp 10.0.0.3 10.0.0.1 8080': 'silent',
      'tcp fd00::3 fd00::1 8080': 'silent',
      'tcp 10.0.0.3 10.0.0.1 9100': 'refused',
      'tcp fd00::3 fd00::1 9100': 'refused',
      'tcp 10.0.0.2 10.0.0.1 9200': 'refused',
      'tcp 10.0.0.3 10.0.0.1 9200': 'silent',
      'tcp 10.0.0.2 10.0.0.1 3306': 'silent',
    }
    expect(ask(policy, Object.keys(expected))).toMatchObject(expected)
  })

  it('are dropped by the rules of the user before ports are opened', () => {
    const expected = {
      'tcp 10.0.0.4 10.0.0.1 9100': 'silent',
      'tcp fd00::4 fd00::1 9100': 'silent',
      'tcp 10.0.0.5 10.0.0.1 9100': 'silent',
      'tcp fd00::5 fd00::1 9100': 'refused',
      'tcp 10.0.0.3 10.0.0.1 7000': 'refused',
      'tcp 10.0.0.4 10.0.0.1 7000': 'silent',
      'out 10.0.0.1 10.0.0.4 9000': 'refused',
      'ping 10.0.0.4 10.0.0.1 1': '1',
    }
    const answers = ask(policy, Object.keys(expected))
    expect(answers).toMatchObject(expected)
    expect(Number(answers['count drop_deny'])).toBeGreaterThanOrEqual(3)
    expect(answers['count in_tcp_9100_open']).toBe('1')
  })

  it('pass if the host needs them to work: DHCP replies, pings within a limit, loopback', () => {
    const expected = {
      'udp 10.0.0.3 10.0.0.1 68 67': 'refused',
      'udp 10.0.0.2 10.0.0.1 68 1067': 'silent',
      'udp fe80::2%v1 fe80::1%v1 546 547': 'refused',
      'udp fd00::2 fd00::1 546 547': 'silent',
      'out 127.0.0.1 127.0.0.1 3306': 'refused',
    }
    const answers = ask(policy, [...Object.keys(expected), 'ping 10.0.0.3 10.0.0.1 80'])
    expect(answers).toMatchObject(expected)
    expect(Number(answers['ping 10.0.0.3 10.0.0.1 80'])).toBeGreaterThanOrEqual(40)
    expect(Number(answers['ping 10.0.0.3 10.0.0.1 80'])).toBeLessThan(60)
    expect(Number(answers['count drop_input'])).toBeGreaterThan(0)
  })

  it('are limited per address if anyone may log in, and each address has a limit of its own', () => {
    const anyone = { ...policy, administrators: [] }
    const knocks = (from: string, to: string) => Array.from({ length: 8 }, (_, i) => `tcp ${from} ${to} 22 ${40_000 + i}`)
    const passed = (answers: Readonly<Record<string, string>>, from: string) =>
      Object.entries(answers).filter(([asked, answer]) => asked.startsWith(`tcp ${from} `) && answer === 'refused').length
    const answers = ask(anyone, [
      ...knocks('10.0.0.2', '10.0.0.1'),
      ...knocks('10.0.0.3', '10.0.0.1'),
      ...knocks('fd00::2', 'fd00::1'),
      ...knocks('fd00::3', 'fd00::1'),
    ])
    expect([passed(answers, '10.0.0.2'), passed(answers, '10.0.0.3')]).toEqual([3, 3])
    // A client of IPv6 has a whole /64.
    expect(passed(answers, 'fd00::2') + passed(answers, 'fd00::3')).toBe(3)
    expect(Number(answers['count drop_ssh_rate'])).toBeGreaterThan(0)
    expect(ask({ ...anyone, sshRate: undefined }, knocks('10.0.0.3', '10.0.0.1'))['count in_ssh']).toBe('8')
  })
})

describe.skipIf(!isRoot || !['nft', 'unshare'].every(has))('the checks of the role', () => {
  const table = (rules: string) => `table inet provision {\n${rules}}\n`
  const good = table(rulesOf({ ...policy, administrators: [] }))

  it('pass with the rules of the role, with an administrator or without', () => {
    expect(failing(good)).toEqual([])
    expect(failing(table(rulesOf({ ...policy, sshPorts: [22, 2222] })), { sshPort: 2222 })).toEqual([])
  })

  it.each([
    ['no table', '', 'drops unknown packets', 'No such file or directory'],
    ['a dormant table', `${good}add table inet provision { flags dormant; }`, 'drops unknown packets', 'the table is dormant'],
    ['a policy that accepts', good.replace('policy drop', 'policy accept'), 'drops unknown packets', ''],
    ['rules that nft refuses', `${good}nonsense`, 'is loaded at boot', 'nonsense'],
    [
      'rules of others',
      `${good}table ip other { chain in { type filter hook input priority -1; tcp dport 9100 drop; }; }`,
      'no other rules defeat',
      '9100',
    ],
  ])('fail with %s', (_, rules, name, output) => {
    const found = failing(rules)
    expect(found.find((one) => one.includes(name))).toContain(output)
  })

  it('fail if outgoing packets are not filtered, if the kernel does not forward, and if an interface is missing', () => {
    const outgoing = { policy: 'drop' as const, to: [], site: [] }
    const closed = table(rulesOf({ ...policy, administrators: [], outgoing }))
    expect(failing(closed, { options: { outgoing: { policy: 'drop' } } })).toEqual([])
    expect(failing(good, { options: { outgoing: { policy: 'drop' } } }).join()).toMatch(
      /drops outgoing packets that nothing permits: .*No such file/,
    )
    const options = { interfaces: { lo: {}, wg9: { forward: ['lo'] } } }
    expect(failing(good, { options })).toEqual([
      'web forwards packets: net.ipv4.ip_forward is 0',
      'web has the interface wg9 of the firewall: the interface wg9 does not exist, so its rules match nothing',
    ])
  })

  it('fail if sshd uses a port that no rule admits, if the unit is disabled, and if a change is unconfirmed', () => {
    expect(failing(good, { sshPort: 2222 })).toEqual(['the firewall of web admits administrators to sshd: no rule opens port 2222'])
    expect(failing(good, { enabled: false })).toEqual(['the firewall of web is loaded at boot: provision-firewall.service is not enabled'])
    expect(failing(good, { pending: true }).join()).toMatch(/^no firewall change on web is unconfirmed: a change from \S+Z is unconfirmed/)
  })
})
