import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Flow, nftables, type Resource } from 'provision'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import firewall from '../../roles/firewall/role.ts'
import { observe } from '../../src/engine/observe/session.ts'
import { noticesOf } from '../../src/engine/plan/plan-host.ts'
import { rebootHost } from '../../src/lab/host.ts'
import { type LabSpec, labDown, labReset } from '../../src/lab/index.ts'
import { formatListing } from '../../src/resource/nftables/listing.ts'
import { asked } from './support/network/asked.ts'
import { onHost, sessionOn, type TestHost } from './support/test-host.ts'

const [ONE, TWO] = ['10.79.4.11', '10.79.4.12']
const hosts = [
  { name: 'h1', user: 'ops', addresses: [ONE, 'fd79:4::11'] },
  { name: 'h2', user: 'ops', addresses: [TWO, 'fd79:4::12'] },
] as const
const spec: LabSpec = { name: 't-fw', root: fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, ''), hosts: [...hosts] }

let one: TestHost
let two: TestHost
const reach = async (address: string): Promise<TestHost> => onHost(await sessionOn('t-fw', address), async () => {})

beforeAll(async () => {
  await labReset(spec)
  one = await reach(ONE)
  two = await reach(TWO)
  await one.run(`systemd-run -q --unit=listener systemd-socket-activate --accept --inetd -l 8080 -l 9100 -l 3306 cat`)
})
afterAll(async () => {
  await one?.session.shell.close().catch(() => {})
  await two?.session.shell.close().catch(() => {})
  await labDown(spec)
})

const flow = (service: string, port: number, from: Flow['from']): Flow => ({
  host: 'h1',
  role: 'test',
  service,
  port,
  protocol: 'tcp',
  encrypted: false,
  from,
})
const FLOWS = [flow('site', 8080, [{ name: 'h2', addresses: hosts[1].addresses }]), flow('open', 9100, 'anyone')]

/** The rules of the role on the first host. */
const wanted = (options: object = {}, flows: readonly Flow[] = FLOWS): readonly Resource[] =>
  firewall.resources({
    host: { name: 'h1', user: 'ops', sshPort: 22, addresses: [], publicAddresses: [], groups: [] },
    site: { hosts: [], group: () => [], withRole: () => [] },
    options: firewall.options.parse(options),
    facts: one.session.facts,
    flows,
    exposed: [],
    files: () => [],
    acmeAccount: () => {
      throw new Error('a firewall needs no certificate')
    },
    authority: () => {
      throw new Error('a firewall needs no certificate')
    },
    warn: () => {},
  })

const table = (rules: string, confirmSeconds = 5): Resource => nftables({ rules, confirmSeconds })
const SHUT = `chain input {
  type filter hook input priority filter; policy drop;
  ct state established,related accept
}`

/** Rules of other programs that do not conflict: bans of single sources, published ports of containers, and accepted ports that ours accept too. */
const NEIGHBOURS = `table inet f2b {
  set banned { type ipv4_addr; elements = { 192.0.2.7 }; }
  chain input { type filter hook input priority -1; tcp dport 22 ip saddr @banned reject; }
}
table ip docker_like {
  chain nat { type nat hook prerouting priority -100; iifname != "docker0" tcp dport 8081 counter dnat to 172.17.0.2:80; }
}
table ip filter {
  chain user { tcp dport { 22, 8000-9100 } counter accept; tcp dport 8080 drop; }
  chain unused { tcp dport 8080 drop; }
  chain INPUT { type filter hook input priority 0; policy drop; ct state established,related accept; iifname "lo" accept; jump user; }
}`

/** Foreign rules that close ports that provision opens, or open ports that provision closes. */
const RIVALS = `insert rule ip filter INPUT tcp dport 9100 counter drop
add rule ip docker_like nat tcp dport 8080 redirect to :1
add rule ip docker_like nat tcp dport 8888 redirect to :9100
table inet rival {
  chain in { type filter hook input priority 1; policy drop; ct state established accept; tcp dport { 22, 9100 } accept; }
}`

/** Output of the failing checks of the role. */
const failing = async (): Promise<readonly string[]> => {
  const checks =
    firewall.verify?.({ host: { name: 'h1' }, options: firewall.options.parse({}) } as unknown as Parameters<
      NonNullable<typeof firewall.verify>
    >[0]) ?? []
  const answers = await Promise.all(checks.map(({ script }) => one.session.shell.request(String(script))))
  return answers.flatMap(({ code, stdout, stderr }, i) => (code === 0 ? [] : [`${checks[i]?.name}: ${stdout}${stderr}`]))
}

/** Warnings of every plan about foreign rules. */
const noticed = async (): Promise<readonly string[]> => {
  const placed = wanted().map((resource) => ({ play: 0, role: 'firewall', resource }))
  return noticesOf(placed, await observe(one.session, placed)).map(({ what }) => what)
}

/** Without the visitors that the SSH meter remembers. */
const rulesInForce = async (): Promise<string> => formatListing(await one.run('nft -s list table inet provision'))
const bootFile = (): Promise<string> => one.run('cat /etc/provision/nftables/inet-provision.nft')

const askedByPeer = (host: string, port: number): Promise<string> =>
  two
    .run(
      `timeout 0.7 bash -c 'exec 3<>/dev/tcp/${host}/${port}' 2>/dev/null; c=$?; case $c in 0) echo open;; 124) echo silent;; *) echo refused;; esac`,
    )
    .then((said) => said.trim())

const untilReachable = async (seconds: number): Promise<void> => {
  for (let left = seconds * 2; (await asked(ONE, 22)) !== 'open'; left--) {
    if (left === 0) throw new Error(`the host did not let anybody in again within ${seconds} seconds`)
    await sleep(500)
  }
}

describe('the firewall', () => {
  it('opens the declared ports to the declared peers, over IPv4 and IPv6, and nothing else', async () => {
    await one.run('command -v nft >/dev/null || { apt-get -qq update; apt-get -qq -y install nftables; }')
    await one.run(
      `nft 'add table ip docker_like; add chain ip docker_like nat { type nat hook prerouting priority -100; }; add set ip docker_like banned { type ipv4_addr; elements = { 192.0.2.7 }; }'`,
    )
    expect(await one.apply(wanted())).toContain('create nftables:inet provision')
    expect(await one.plan(wanted())).toEqual([])
    for (const address of hosts[0].addresses) {
      const answers = await Promise.all([22, 8080, 9100, 3306].map((port) => asked(address, port)))
      expect([address, ...answers]).toEqual([address, 'open', 'silent', 'open', 'silent'])
      const peers = await Promise.all([22, 8080, 9100, 3306].map((port) => askedByPeer(address, port)))
      expect([address, ...peers]).toEqual([address, 'open', 'open', 'open', 'silent'])
    }
    expect(await one.run('nft list table ip docker_like')).toContain('192.0.2.7')
  })

  it('shuts out peers by rules of the user and by a deny list, over IPv4 and IPv6', async () => {
    await one.apply(wanted({ extra: [`ip saddr ${TWO} tcp dport 9100 drop`] }))
    expect(await Promise.all([8080, 9100].map((port) => askedByPeer(ONE, port)))).toEqual(['open', 'silent'])
    expect(await askedByPeer('fd79:4::11', 9100)).toBe('open')
    expect(await asked(ONE, 9100)).toBe('open')
    const denied = wanted({ deny: [...hosts[1].addresses] })
    await one.apply(denied)
    expect(await one.plan(denied)).toEqual([])
    for (const address of hosts[0].addresses)
      expect(await Promise.all([22, 8080, 9100].map((port) => askedByPeer(address, port)))).toEqual(['silent', 'silent', 'silent'])
    expect(await asked(ONE, 9100)).toBe('open')
    await one.apply(wanted())
    expect(await askedByPeer(ONE, 9100)).toBe('open')
  })

  it('finds a foreign rule, a foreign element and a flush, and reverts them', async () => {
    const before = await rulesInForce()
    await one.run('nft insert rule inet provision input tcp dport 3306 accept')
    expect(await one.plan(wanted())).toEqual(['update nftables:inet provision: 1 unknown rule: tcp dport 3306 accept'])
    expect(await one.apply(wanted())).toEqual(['update nftables:inet provision'])
    await one.run("nft 'add element inet provision to_tcp_8080_site_4 { 10.79.4.1 }'")
    expect(await one.plan(wanted())).toEqual(['update nftables:inet provision: set to_tcp_8080_site_4 changed'])
    await one.apply(wanted())
    await one.run('nft flush ruleset')
    expect(await one.plan(wanted())).toEqual(['create nftables:inet provision: table deleted'])
    await one.apply(wanted())
    expect(await one.plan(wanted())).toEqual([])
    expect(await rulesInForce()).toBe(before)
  })

  it('stays unchanged in a converged run, counters included', async () => {
    await one.run('nft reset counters table inet provision >/dev/null')
    expect(await askedByPeer(ONE, 9100)).toBe('open')
    // A table that was loaded again has a new handle.
    const look = () => one.run(`nft -a list table inet provision | grep '^table'; nft list counter inet provision in_tcp_9100_open`)
    const before = await look()
    expect(before).toMatch(/handle \d+[\s\S]*packets 1 /)
    expect(await one.apply(wanted())).toEqual([])
    expect(await look()).toBe(before)
  })

  it('reports foreign rules that defeat its own, and no bans or container rules', async () => {
    expect(await failing()).toEqual([])
    await one.run(`nft -f - <<'E'\n${NEIGHBOURS}\nE`)
    expect(await failing()).toEqual([])
    expect(await noticed()).toEqual([
      'chain INPUT of the nft table ip filter drops everything that its own table does not accept, also on ports that provision opens',
      expect.stringMatching(
        /^chain nat of the nft table ip docker_like redirects .* the forward chain of provision drops those that are forwarded$/,
      ),
    ])
    await one.run(`nft -f - <<'E'\n${RIVALS}\nE`)
    const found = (await failing()).join()
    const defeats = [
      'table ip filter, chain INPUT: tcp dport 9100 counter drop blocks 9100/tcp, which provision opens',
      'table ip docker_like, chain nat: tcp dport 8080 redirect to :1 redirects 8080/tcp, before the rules of provision apply',
      'table ip docker_like, chain nat: tcp dport 8888 redirect to :9100 redirects to 9100/tcp, from a port that provision closes',
      'table inet rival, chain in: policy drop blocks 8080/tcp, which provision opens',
    ]
    const plans = (await noticed()).join()
    for (const defeat of defeats) for (const said of [found, plans]) expect(said).toContain(defeat)
    expect(plans).not.toContain('chain in of the nft table inet rival')
    expect(await one.plan(wanted())).toEqual([])
    await one.run('nft "delete table ip filter; delete table ip docker_like; delete table inet rival; delete table inet f2b"')
  })

  it.each([
    ['that keeps present connections', SHUT],
    ['that also cuts the present connection', 'chain input { type filter hook input priority filter; policy drop; }'],
  ])('rolls back a ruleset that locks everybody out, one %s, and reports it', async (_, rules) => {
    const [before, boot] = [await rulesInForce(), await bootFile()]
    const { what } = await one.refused([table(rules)])
    expect(what).toBe('new firewall rules rolled back: no new connection confirmed them')
    await untilReachable(10)
    expect(await rulesInForce()).toBe(before)
    expect(await bootFile()).toBe(boot)
    expect((await one.plan(wanted())).join()).toMatch(
      /^update nftables:inet provision: last change rolled back by the host at \S+Z, no new connection confirmed it$/,
    )
    await one.apply(wanted())
    expect(await one.plan(wanted())).toEqual([])
  })

  it('changes nothing if nft refuses the rules', async () => {
    const before = await rulesInForce()
    const { why } = await one.refused([table('chain input { tcp dport ssssh accept; }')])
    expect(why).toContain('ssssh')
    expect(await rulesInForce()).toBe(before)
    expect(await one.plan(wanted())).toEqual([])
  })

  it('changes nothing if the rollback copy does not fit on the disk', async () => {
    const [before, boot] = [await rulesInForce(), await bootFile()]
    const at = '/run/provision/nftables'
    await one.run(`mkdir -p ${at}; mount -t tmpfs -o size=4k none ${at}; head -c 100000 /dev/zero >${at}/full || true`)
    await one.refused([table(SHUT)])
    await one.run(`umount ${at}`)
    expect(await rulesInForce()).toBe(before)
    expect(await bootFile()).toBe(boot)
    expect(await one.plan(wanted())).toEqual([])
  })

  it('restores the old rules if the controller dies before the confirmation', async () => {
    const [before, boot] = [await rulesInForce(), await bootFile()]
    await one.unconfirmed(table(SHUT, 6))
    expect(await asked(ONE, 22)).toBe('silent')
    expect(await bootFile()).toBe(boot)
    expect((await one.plan(wanted())).join()).toContain('rules loaded but not confirmed by a new connection')
    await untilReachable(11)
    expect(await rulesInForce()).toBe(before)
    await one.apply(wanted())
    expect(await one.plan(wanted())).toEqual([])
  })

  it('confirms a pending change in the next run, and its timer rolls nothing back', async () => {
    const before = await rulesInForce()
    await one.unconfirmed(table(SHUT, 5))
    expect(await one.apply(wanted())).toEqual(['update nftables:inet provision'])
    await sleep(6000)
    expect(await rulesInForce()).toBe(before)
    expect(await one.plan(wanted())).toEqual([])
  })

  it('restores the old rules in a reboot before the confirmation, before sshd answers', async () => {
    const before = await rulesInForce()
    await one.unconfirmed(table(SHUT, 600))
    await one.session.shell.close().catch(() => {})
    await rebootHost(spec, hosts[0])
    one = await reach(ONE)
    expect(await rulesInForce()).toBe(before)
    const [loaded = 0, greeted = 0] = (await one.run('systemctl show -P ActiveEnterTimestampMonotonic provision-firewall ssh'))
      .trim()
      .split(/\s+/)
      .map(Number)
    expect(loaded).toBeGreaterThan(0)
    expect(loaded).toBeLessThan(greeted)
    expect((await one.plan(wanted())).join()).toContain('last change not confirmed before a reboot, old rules restored')
    await one.apply(wanted())
    expect(await one.plan(wanted())).toEqual([])
  })

  it('limits new SSH connections, and does not count established ones', async () => {
    await one.apply(wanted({ ssh_rate: { per_minute: 5, burst: 10 } }))
    // An established connection continues to work after the limit of new connections is exceeded.
    const knocks = async (address: string): Promise<readonly string[]> =>
      (
        await two.run(`bash -c 'exec 3<>/dev/tcp/${address}/22; read -r hello <&3
for i in $(seq 16); do { timeout 0.7 bash -c "exec 4<>/dev/tcp/${address}/22" 2>/dev/null && echo open || echo silent; } & done; wait
printf "SSH-2.0-visitor\\r\\n" >&3; timeout 3 head -c 4 <&3 | wc -c'`)
      )
        .trim()
        .split('\n')
    for (const address of hosts[0].addresses) {
      const [stayed, ...knocked] = (await knocks(address)).toReversed()
      expect([address, stayed, new Set(knocked)]).toEqual([address, '4', new Set(['open', 'silent'])])
    }
    expect(await one.run('nft list counter inet provision drop_ssh_rate')).not.toContain('packets 0 ')
    await one.apply(wanted({ administrators: ['10.79.4.1', 'fd79:4::1'] }))
    for (const address of hosts[0].addresses) {
      expect([address, await askedByPeer(address, 22), await asked(address, 22)]).toEqual([address, 'silent', 'open'])
    }
  })
})
