import { describe, expect, it } from 'vitest'
import firewall from '../../../../roles/firewall/role.ts'
import type { Policy } from '../../../../roles/firewall/rules/policy.ts'
import { rulesOf } from '../../../../roles/firewall/rules/rules.ts'
import { shadowedRules } from '../../../../roles/firewall/shadowed.ts'
import { nftablesDropin, unitText } from '../../../../roles/firewall/unit.ts'
import type { Flow } from '../../../../src/role/role.ts'
import { problemOf } from '../../problem-of.ts'

const policy = (more: Partial<Policy> = {}): Policy => ({
  sshPorts: [22],
  administrators: [],
  sshRate: { perMinute: 30, burst: 60 },
  forward: 'drop',
  deny: [],
  extra: [],
  flows: [],
  ...more,
})
const flow = (from: Flow['from'], service = 'site', port = 8080): Flow => ({
  host: 'web',
  role: 'nginx',
  service,
  port,
  protocol: 'tcp',
  encrypted: false,
  from,
})
const LB = { name: 'lb', addresses: ['10.0.0.1', 'fd00::1'] }
const lines = (text: string): readonly string[] => text.split('\n').map((line) => line.trim())

describe('the rules of a host', () => {
  it('admit a peer by its addresses of both families, and count its packets', () => {
    const found = lines(rulesOf(policy({ flows: [flow([LB])] })))
    expect(found).toEqual(
      expect.arrayContaining([
        'set to_tcp_8080_site_4 { type ipv4_addr; elements = { 10.0.0.1 comment "lb" } }',
        'set to_tcp_8080_site_6 { type ipv6_addr; elements = { fd00::1 comment "lb" } }',
        'counter in_tcp_8080_site { }',
        'tcp dport 8080 ip saddr @to_tcp_8080_site_4 counter name in_tcp_8080_site accept comment "8080/tcp (site) for nginx"',
        'tcp dport 8080 ip6 saddr @to_tcp_8080_site_6 counter name in_tcp_8080_site accept comment "8080/tcp (site) for nginx"',
      ]),
    )
    expect(found.some((line) => line.startsWith('tcp dport 8080 counter'))).toBe(false)
  })

  it('admit networks, and a peer within one of them once', () => {
    const peers = [LB, { name: '10.0.0.0/24', addresses: ['10.0.0.0/24'] }, { name: 'far', addresses: ['10.1.0.1', 'fd00::7'] }]
    expect(lines(rulesOf(policy({ flows: [flow(peers)] })))).toEqual(
      expect.arrayContaining([
        'set to_tcp_8080_site_4 { type ipv4_addr; flags interval; elements = { 10.0.0.0/24 comment "10.0.0.0/24", 10.1.0.1 comment "far" } }',
        'set to_tcp_8080_site_6 { type ipv6_addr; flags interval; elements = { fd00::1 comment "lb", fd00::7 comment "far" } }',
      ]),
    )
  })

  it('admit VRRP between balancers, a protocol without ports', () => {
    expect(lines(rulesOf(policy({ flows: [{ ...flow([LB], 'balancers', 0), protocol: 'vrrp' }] })))).toEqual(
      expect.arrayContaining([
        'meta l4proto 112 ip saddr @to_vrrp_0_balancers_4 counter name in_vrrp_0_balancers accept comment "vrrp (balancers) for nginx"',
        'meta l4proto 112 ip6 saddr @to_vrrp_0_balancers_6 counter name in_vrrp_0_balancers accept comment "vrrp (balancers) for nginx"',
      ]),
    )
  })

  it('add a new peer as an element, not as a rule', () => {
    const rules = (peers: Flow['from']) => lines(rulesOf(policy({ flows: [flow(peers)] }))).filter((line) => !line.startsWith('set '))
    expect(rules([LB, { name: 'lb2', addresses: ['10.0.0.9'] }])).toEqual(rules([LB]))
  })

  it('open the ports that sshd uses now and after a restart', () => {
    expect(rulesOf(policy({ sshPorts: [2222] }))).toContain('tcp dport 2222 counter name in_ssh accept')
    expect(rulesOf(policy({ sshPorts: [2222] }))).not.toContain('dport 22 ')
    const both = lines(rulesOf(policy({ sshPorts: [22, 2222] }))).filter((line) => line.startsWith('tcp dport { 22, 2222 }'))
    expect(both.map((line) => /(drop|accept) comment/.exec(line)?.[1])).toEqual(['drop', 'drop', 'accept'])
  })

  it('have comments that the kernel accepts for every service name', () => {
    const text = rulesOf(policy({ flows: [flow('anyone', `a "quoted"\n${'é'.repeat(100)}`)] }))
    const comments = [...text.matchAll(/comment "([^"\n]*)"/g)].map(([, comment = '']) => Buffer.byteLength(comment))
    expect(comments.length).toBe(text.split('comment').length - 1)
    expect(Math.max(...comments)).toBeGreaterThan(120)
    expect(Math.max(...comments)).toBeLessThanOrEqual(128)
  })

  it('admit only administrators to sshd if any are configured, without a rate limit', () => {
    const text = rulesOf(
      policy({
        administrators: ['192.0.2.0/24', '2001:db8::/32'],
        flows: [flow([{ name: 'administrators', addresses: [] }], 'metrics', 9100)],
      }),
    )
    expect(text).toContain('set administrators4 { type ipv4_addr; flags interval; elements = { 192.0.2.0/24 comment "administrators" } }')
    expect(text).toContain('tcp dport 22 ip6 saddr @administrators6 counter name in_ssh accept')
    expect(text).toContain('tcp dport 9100 ip saddr @administrators4 counter name in_tcp_9100_metrics accept')
    expect(text).not.toMatch(/ssh_meter|tcp dport 22 counter/)
  })

  it('keep ports for administrators closed if none are configured', () => {
    expect(rulesOf(policy({ flows: [flow([{ name: 'administrators', addresses: [] }], 'metrics', 9100)] }))).not.toContain('dport 9100')
  })

  it('apply the SSH rate limit to new connections of both families only', () => {
    const found = lines(rulesOf(policy()))
    const meters = found.flatMap((line, i) => (line.includes('update @ssh_meter') ? [i] : []))
    expect(meters.length).toBe(2)
    expect(found.findIndex((line) => line.startsWith('ct state established,related accept'))).toBeLessThan(Math.min(...meters))
    expect(rulesOf(policy({ sshRate: undefined }))).not.toContain('ssh_meter')
  })

  it('accept ICMP errors for path MTU discovery without a limit, before packets are dropped as invalid', () => {
    const found = lines(rulesOf(policy()))
    const errors = found.findIndex((line) => line.includes('packet-too-big'))
    expect(found[errors]).not.toContain('limit')
    expect(errors).toBeLessThan(found.findIndex((line) => line.includes('ct state invalid')))
  })

  it('name no set or counter like a keyword of nft', () => {
    const text = rulesOf(policy({ flows: [flow([LB], 'monitor'), flow('anyone', 'a-b c', 1)] }))
    for (const [, name] of text.matchAll(/^ {2}(?:set|counter) (\S+) /gm)) expect(name).toMatch(/^(to|in|drop|ssh)_[a-z0-9_./-]+$/)
  })

  it('drop a single denied network, and have no part for options that are not set', () => {
    const found = rulesOf(policy({ deny: ['198.51.100.7'] }))
    expect(found).toContain('ip saddr @deny4 counter name drop_deny drop')
    expect(found).toContain('elements = { 198.51.100.7 comment "denied" }')
    expect(rulesOf(policy())).not.toMatch(/deny|option extra/)
  })

  it('put extra rules after replies and ICMP, and before the rules that open ports', () => {
    const found = lines(rulesOf(policy({ extra: ['udp dport 51820 accept'], forward: 'accept', flows: [flow('anyone')] })))
    const extra = found.indexOf('udp dport 51820 accept')
    expect(extra).toBeGreaterThan(found.findIndex((line) => line.startsWith('icmpv6 type echo-request')))
    for (const opens of ['tcp dport 22', 'tcp dport 8080']) expect(extra).toBeLessThan(found.findIndex((line) => line.startsWith(opens)))
    expect(found).toContain('type filter hook forward priority filter; policy accept;')
  })
})

describe('the rules of a host, in detail', () => {
  it('accept every message of ICMPv6 that RFC 4890, 4.4, requires, from where it may come', () => {
    const rules = lines(rulesOf(policy())).filter((line) => /^icmpv6 type .* accept /.test(line))
    const condition = (type: string): string | undefined => {
      const [found] = rules.filter((line) =>
        line
          .match(/type (?:\{ (.*?) \}|(\S+))/)
          ?.slice(1)
          .join(',')
          .split(/, ?/)
          .includes(type),
      )
      return found?.replace(/^icmpv6 type (\{.*?\}|\S+) /, '').replace(/ ?accept comment.*/, '')
    }
    const errors = ['destination-unreachable', 'packet-too-big', 'time-exceeded', 'parameter-problem']
    // Numbers are those that nft has no name for: inverse and secured neighbour discovery, multicast routers.
    const neighbours = ['nd-router-solicit', 'nd-router-advert', 'nd-neighbor-solicit', 'nd-neighbor-advert', 'nd-redirect']
    const listeners = ['mld-listener-query', 'mld-listener-report', 'mld-listener-done', 'mld2-listener-report']
    for (const type of errors) expect([type, condition(type)]).toEqual([type, ''])
    for (const type of [...neighbours, '141', '142', '148', '149']) expect([type, condition(type)]).toEqual([type, 'ip6 hoplimit 255'])
    for (const type of [...listeners, '151', '152', '153']) expect([type, condition(type)]).toEqual([type, 'ip6 saddr fe80::/10'])
    expect(condition('echo-request')).toBe('limit rate 20/second burst 40 packets')
    const old = lines(rulesOf(policy())).find((line) => line.startsWith('icmp type { '))
    expect(old).toMatch(/^icmp type \{ destination-unreachable, time-exceeded, parameter-problem \} accept /)
  })

  it('count and log what they drop, and not more than a disk can hold', () => {
    const found = lines(rulesOf(policy({ deny: ['198.51.100.7'] })))
    expect(found.filter((line) => line.startsWith('counter ') && line.endsWith('{ }'))).toEqual(
      ['in_ssh', 'drop_invalid', 'drop_deny', 'drop_ssh_rate', 'drop_input'].map((name) => `counter ${name} { }`),
    )
    const [count, log] = found.slice(found.findIndex((line) => line.startsWith('counter name drop_input')))
    expect(count).toMatch(/^counter name drop_input comment /)
    expect(log).toMatch(/^limit rate 10\/minute burst 5 packets log prefix "provision-drop: " level info comment /)
    // An option that is not set has no counter.
    const names = (more: Partial<Policy>) =>
      rulesOf(policy(more))
        .match(/^ {2}counter drop_\w+/gm)
        ?.map((line) => line.trim().slice(8))
    expect(names({ sshRate: undefined })).toEqual(['drop_invalid', 'drop_input'])
    expect(names({ administrators: ['192.0.2.1'] })).toEqual(['drop_invalid', 'drop_input'])
  })

  it('name an address once, with all its owners', () => {
    const peers = ['a', 'b', 'a'].map((name) => ({ name, addresses: ['10.0.0.1'] }))
    expect(lines(rulesOf(policy({ flows: [flow(peers)] })))).toContain(
      'set to_tcp_8080_site_4 { type ipv4_addr; elements = { 10.0.0.1 comment "a and b" } }',
    )
    expect(lines(rulesOf(policy({ flows: [flow(peers)] })))).toContain('set to_tcp_8080_site_6 { type ipv6_addr; }')
  })

  it('admit peers and administrators to a port that is for both', () => {
    const both = flow([LB, { name: 'administrators', addresses: [] }], 'metrics', 9100)
    const sources = (administrators: readonly string[]) =>
      lines(rulesOf(policy({ administrators, flows: [both] }))).flatMap((line) => /^tcp dport 9100 (ip6? saddr @\w+)/.exec(line)?.[1] ?? [])
    const peers = ['ip saddr @to_tcp_9100_metrics_4', 'ip6 saddr @to_tcp_9100_metrics_6']
    expect(sources(['192.0.2.1'])).toEqual([...peers, 'ip saddr @administrators4', 'ip6 saddr @administrators6'])
    expect(sources([])).toEqual(peers)
  })

  it('have comments of up to 128 bytes as they are, and longer ones shortened', () => {
    const comment = (length: number) => {
      const service = 's'.repeat(length - '8080/tcp () for nginx, from anyone'.length)
      return /^tcp dport 8080 .* comment "(.*)"$/.exec(
        lines(rulesOf(policy({ flows: [flow('anyone', service)] }))).find((line) => line.startsWith('tcp dport 8080')) ?? '',
      )?.[1]
    }
    expect(comment(128)).toMatch(/^8080\/tcp \(s{94}\) for nginx, from anyone$/)
    expect(comment(129)).toMatch(/^8080\/tcp \(s{95}\) for nginx, from an\.\.\.$/)
    expect(comment(129)).toHaveLength(128)
  })
})

describe('a rule that another one precedes', () => {
  const isShadowed = (...rules: readonly [string, string]): boolean => shadowedRules([], rules).length > 0

  it.each<[string, string]>([
    ['tcp dport 80-90 accept', 'tcp dport 80 drop'],
    ['tcp dport 80-90 accept', 'tcp dport 90 drop'],
    ['tcp dport 80-90 accept', 'tcp dport 80-90 drop'],
    ['tcp dport 80-90 accept', 'tcp dport { 81, 83-84 } drop'],
    ['tcp dport { 80, 443, 8080 } accept', 'tcp dport { 443, 80 } drop'],
    ['tcp dport 80 accept', 'tcp dport { 80, } drop'],
    ['tcp dport https accept', 'tcp dport https drop'],
    ['ip saddr 10.0.0.0/8 drop', 'ip saddr 10.1.2.3 accept'],
    ['ip saddr 10.0.0.0/8 drop', 'ip saddr 10.0.0.0/8 accept'],
    ['ip saddr 10.0.0.1 drop', 'ip saddr 10.0.0.1/32 accept'],
    ['ip saddr 10.0.0.1/32 drop', 'ip saddr 10.0.0.1 accept'],
    ['ip6 saddr fd00::/8 drop', 'ip6 saddr fd12::1 accept'],
    ['ip6 saddr fd00::1 drop', 'ip6 saddr fd00::1/128 accept'],
    ['ip6 saddr fd00::1/128 drop', 'ip6 saddr fd00::1 accept'],
    ['ip6 saddr ::1 accept', 'ip6 saddr ::1 tcp dport 80 drop'],
    ['iifname eth0 accept', 'iifname "eth0" tcp dport 80 drop'],
    ['iif lo accept', 'iif lo drop'],
    ['tcp dport 80 counter accept', 'tcp dport 80 drop'],
    ['tcp dport 80 counter name web accept', 'tcp dport 80 drop'],
    ['tcp dport 80 counter packets 1 bytes 2 reject', 'tcp dport 80 accept'],
    ['tcp dport 80 log prefix "a b" level info drop', 'tcp dport 80 accept'],
    ['udp dport 53 accept', '  udp dport 53 ip saddr 10.0.0.1 drop'],
    ['th dport 53 accept', 'th dport 53 drop'],
    ['sctp dport 53 accept', 'sctp dport 53 drop'],
    ['meta mark 1 accept', 'meta mark 1 drop'],
    ['icmp type echo-request accept', 'icmp type echo-request drop'],
    ['accept', 'jump somewhere'],
    ['drop comment "all"', 'tcp dport 80 accept comment "web"'],
  ])('never matches after %s: %s', (earlier, later) => {
    expect(isShadowed(earlier, later)).toBe(true)
  })

  it.each<[string, string]>([
    ['tcp dport 80-90 accept', 'tcp dport 79 drop'],
    ['tcp dport 80-90 accept', 'tcp dport 91 drop'],
    ['tcp dport 80-90 accept', 'tcp dport 80-91 drop'],
    ['tcp dport 80-90 accept', 'tcp dport 79-90 drop'],
    ['tcp dport 80-90 accept', 'tcp dport { 85, 95 } drop'],
    ['tcp dport 80 accept', 'tcp dport 80-81 drop'],
    ['tcp dport 80 accept', 'tcp sport 80 drop'],
    ['tcp dport 80 ip saddr 10.0.0.1 accept', 'tcp dport 80 ip saddr 10.0.0.2 drop'],
    ['tcp dport 80 ip saddr 10.0.0.1 accept', 'tcp dport 80 drop'],
    ['ip saddr 10.0.0.0/9 drop', 'ip saddr 10.0.0.0/8 accept'],
    ['ip saddr 10.0.0.0/8 drop', 'ip saddr 11.0.0.0/8 accept'],
    ['ip saddr 10.0.0.1 drop', 'ip saddr 10.0.0.0/31 accept'],
    ['ip6 saddr fd00::1 drop', 'ip6 saddr fd00::/127 accept'],
    ['ip saddr 0.0.0.80 accept', 'tcp dport 80 drop'],
    ['iifname eth0 accept', 'iif eth0 drop'],
    ['tcp dport 80 limit rate 1/second accept', 'tcp dport 80 drop'],
    ['tcp dport 80 log prefix "x"', 'tcp dport 80 drop'],
    ['tcp dport 80 counter', 'tcp dport 80 drop'],
    ['tcp dport 80 jump web', 'tcp dport 80 drop'],
    ['tcp dport 80 accepted', 'tcp dport 80 drop'],
    ['tcp dport 80 undrop', 'tcp dport 80 accept'],
    ['tcp dport @open accept', 'tcp dport 80 drop'],
    ['tcp dport != 22 accept', 'tcp dport 80 drop'],
    ['ip saddr & 255.0.0.0 == 10.0.0.0 accept', 'ip saddr 10.0.0.1 drop'],
    ['tcp dport 80 accept', 'tcp dport @open drop'],
    ['fib daddr type local accept', 'tcp dport 80 drop'],
    ['tcp dport', 'tcp dport 80 drop'],
  ])('still matches after %s: %s', (earlier, later) => {
    expect(isShadowed(earlier, later)).toBe(false)
  })

  it('is reported with the first rule that decides about its packets, each once', () => {
    const rules = [
      'tcp dport 80 accept',
      'tcp dport 443 accept comment "b"',
      'tcp dport 443 drop',
      'tcp dport 80 drop',
      'tcp dport 81 drop',
    ]
    expect(shadowedRules(['tcp dport 81 accept comment "basic"'], rules)).toEqual([
      { rule: 'tcp dport 443 drop', by: 'tcp dport 443 accept' },
      { rule: 'tcp dport 80 drop', by: 'tcp dport 80 accept' },
      { rule: 'tcp dport 81 drop', by: 'tcp dport 81 accept' },
    ])
  })
})

describe('the role', () => {
  it('declares the flow of SSH, and opens the port that sshd uses', () => {
    const said = (options: object) =>
      firewall.listens?.({ host: { name: 'web', sshPort: 2222 }, options: firewall.options.parse(options) } as unknown as Parameters<
        NonNullable<typeof firewall.listens>
      >[0])
    expect(said({})).toEqual([{ service: 'ssh', port: 2222, protocol: 'tcp', from: ['anyone'], encrypted: true }])
    expect(said({ administrators: ['192.0.2.1'] })).toEqual([
      { service: 'ssh', port: 2222, protocol: 'tcp', from: ['administrators'], encrypted: true },
    ])
    const own: Flow = { ...flow('anyone', 'ssh', 2222), role: 'firewall' }
    expect(context({}, [own]).rules).not.toContain('2222')
  })

  const context = (options: object, flows: readonly Flow[], clientAddress = '192.0.2.1') => {
    const warnings: string[] = []
    const resources = firewall.resources({
      host: { name: 'web' },
      facts: { sshPort: 22, sshPorts: [22], clientAddress },
      options: firewall.options.parse(options),
      flows,
      warn: (what: string) => void warnings.push(what),
    } as unknown as Parameters<typeof firewall.resources>[0])
    const specs = new Map(resources.map(({ kind, spec }) => [kind.name, spec]))
    return { warnings, specs, rules: JSON.stringify(resources), keys: resources.map(({ kind, id }) => `${kind.name}:${id}`) }
  }

  it('opens the ports of its own host only, and loads its rules before its unit starts', () => {
    const { rules, keys } = context({}, [flow('anyone'), { ...flow('anyone', 'db', 3306), host: 'other' }])
    expect(rules).toContain('dport 8080')
    expect(rules).not.toContain('3306')
    expect(keys).toEqual([
      'package:nftables',
      'unit:provision-firewall.service',
      'unit:nftables.service.d/provision-firewall.conf',
      'nftables:inet provision',
      'service:provision-firewall.service',
    ])
  })

  it('waits for a new connection as long as configured, and restarts its unit for a change', () => {
    const specOf = (kind: string) => context({ confirm_seconds: 7, forward: 'accept' }, []).specs.get(kind)
    expect(specOf('nftables')).toMatchObject({ table: 'provision', family: 'inet', confirmSeconds: 7 })
    expect(specOf('nftables')).toMatchObject({ rules: expect.stringContaining('hook forward priority filter; policy accept;') })
    expect(specOf('service')).toMatchObject({ restarts: [{ path: '/etc/systemd/system/provision-firewall.service' }] })
  })

  it('has a unit that closes the host before the network, and keeps it closed', () => {
    const lines = unitText('/rules').split('\n')
    // A host without confirmed rules has nothing to load; a stop opens nothing.
    for (const line of [
      'ConditionPathExists=/rules',
      'ExecStart=/usr/sbin/nft -f /rules',
      'ExecReload=/usr/sbin/nft -f /rules',
      'RemainAfterExit=yes',
    ])
      expect(lines).toContain(line)
    expect(lines.filter((line) => line.startsWith('ExecStop'))).toEqual([])
    const [before = '', after = ''] = ['Before=', 'After='].map((key) => lines.find((line) => line.startsWith(key)) ?? '')
    for (const unit of ['network-pre.target', 'sysinit.target']) expect(before).toContain(unit)
    expect(lines).toContain('Wants=network-pre.target')
    expect(lines).toContain('WantedBy=sysinit.target')
    expect(lines).toContain('DefaultDependencies=no')
    // The unit of the distribution flushes all rules.
    expect(after).toContain('nftables.service')
    expect(lines).toContain('Restart=on-failure')
    expect(lines).toContain('CapabilityBoundingSet=CAP_NET_ADMIN')
    // Before the file systems are mounted, a unit cannot have its own view of them.
    expect(lines.filter((line) => /^(ProtectSystem|PrivateTmp|ProtectHome|ReadWritePaths)/.test(line))).toEqual([])
    expect(lines.join()).not.toContain('AF_INET')
  })

  it('loads its table again after each start, reload and stop of nftables.service, which flush it', () => {
    const { spec, id } = nftablesDropin('/rules')
    expect(id).toBe('nftables.service.d/provision-firewall.conf')
    const lines = JSON.stringify(spec).split('\\n')
    for (const key of ['ExecStartPost', 'ExecReload', 'ExecStopPost']) expect(lines).toContain(`${key}=-/usr/sbin/nft -f /rules`)
    // Rules of others may contain host names.
    expect(lines.join()).toContain('AF_INET ')
    expect(lines.join()).not.toContain('IPAddressDeny')
  })

  it('limits logins of anyone as the option asks', () => {
    expect(context({}, []).rules).toContain('limit rate over 30/minute burst 60 packets')
    expect(context({ ssh_rate: { per_minute: 4, burst: 2 } }, []).rules).toContain('limit rate over 4/minute burst 2 packets')
    expect(context({ ssh_rate: false }, []).rules).not.toContain('limit rate over')
    expect(context({ administrators: ['192.0.2.1'] }, []).rules).not.toContain('drop_ssh_rate')
  })

  it('refuses a flow of another role on a port of sshd', async () => {
    expect(await problemOf(() => context({}, [flow('anyone', 'git', 22)]))).toMatchObject({
      class: 'input',
      what: 'port 22/tcp for git is in use by sshd',
      where: { host: 'web', role: 'nginx' },
    })
    expect(() => context({}, [{ ...flow('anyone', 'git', 22), protocol: 'udp' }])).not.toThrow()
  })

  it('warns if SSH is open to anyone, and names flows that are closed to administrators', () => {
    const metrics = flow([{ name: 'administrators', addresses: [] }], 'metrics', 9100)
    expect(context({}, [metrics]).warnings).toEqual([
      'SSH is open to anyone; list your networks in firewall.administrators',
      'metrics on port 9100 (nginx) is closed to administrators, because firewall.administrators is empty',
    ])
    expect(context({ administrators: ['192.0.2.1'] }, [metrics]).warnings).toEqual([])
  })

  it('warns of rules that would lock out the controller', () => {
    const warned = (administrators: readonly string[], from: string) => context({ administrators }, [], from).warnings
    expect(warned(['192.0.2.0/24', '2001:db8:7::/48'], '2001:db8:7:1::5')).toEqual([])
    expect(warned(['192.0.2.0/24'], '')).toEqual([])
    expect(warned(['192.0.2.0/24', '2001:db8:7::/48'], '198.51.100.9')).toEqual([
      "new rules would be rolled back: the controller's address 198.51.100.9 is not in firewall.administrators (192.0.2.0/24, 2001:db8:7::/48)",
    ])
  })

  it('warns of an extra rule that never matches', () => {
    const warned = (...extra: readonly string[]) =>
      context({ administrators: ['192.0.2.1'], extra }, []).warnings.map((one) =>
        /rule "(.*)" of .* never matches: "(.*)" comes first/.exec(one)?.slice(1),
      )
    expect(warned('tcp dport 80 accept', 'tcp dport 80 ip saddr 10.0.0.1 drop')).toEqual([
      ['tcp dport 80 ip saddr 10.0.0.1 drop', 'tcp dport 80 accept'],
    ])
    expect(warned('ip saddr 10.0.0.0/8 counter log prefix "x " drop', 'ip saddr { 10.1.0.0/16, 10.2.3.4 } accept')).toEqual([
      ['ip saddr { 10.1.0.0/16, 10.2.3.4 } accept', 'ip saddr 10.0.0.0/8 counter log prefix "x " drop'],
    ])
    expect(warned('accept', 'udp dport 53 drop')).toEqual([['udp dport 53 drop', 'accept']])
    expect(warned('tcp dport 1000-2000 reject with tcp reset', 'tcp dport { 1000, 1500-2000 } accept').length).toBe(1)
    expect(warned('iif "lo" drop', 'ct state related drop')).toEqual([
      ['iif "lo" drop', 'iif "lo" accept'],
      ['ct state related drop', 'ct state established,related accept'],
    ])
  })

  it.each([
    [['ip saddr 10.0.0.1 drop', 'tcp dport 80 accept']],
    [['ip saddr 10.1.0.0/16 drop', 'ip saddr 10.0.0.0/8 accept']],
    [['tcp dport 80 accept', 'udp dport 80 drop']],
    [['tcp dport != 80 accept', 'tcp dport 80 drop']],
    [['tcp dport 80 limit rate 1/second accept', 'tcp dport 80 drop']],
    [['tcp dport 80 counter', 'tcp dport 80 drop']],
    [['ip saddr @banned accept', 'ip saddr 10.0.0.1 drop']],
    [['ip6 saddr & ffff:: == fe80:: accept', 'ip6 saddr fd00::1 drop']],
    [['tcp dport { 80, 443 } accept', 'tcp dport { 443, 444 } drop']],
    [['ip saddr 10.0.0.1 accept', 'ip saddr 10.0.0.2 drop']],
    [['iifname eth0 accept', 'iifname eth1 drop']],
    [['tcp dport https accept', 'tcp dport 443 drop']],
    [['tcp dport 100-200 accept', 'tcp dport 150-201 drop']],
  ])('does not warn of %j', (extra) => {
    expect(context({ administrators: ['192.0.2.1'], extra }, []).warnings).toEqual([])
  })

  it('refuses to deny the address of the controller or of an administrator, and warns of hosts that are denied', async () => {
    expect(await problemOf(() => context({ deny: ['198.51.100.7', '192.0.2.0/24'] }, [], '192.0.2.1'))).toMatchObject({
      class: 'input',
      what: 'firewall.deny contains 192.0.2.1 in 192.0.2.0/24, from which this run connects',
      where: { host: 'web', role: 'firewall' },
    })
    expect(await problemOf(() => context({ deny: ['192.0.2.1'] }, [], '192.0.2.1'))).toMatchObject({
      what: 'firewall.deny contains 192.0.2.1, from which this run connects',
    })
    // A host may not report from where the controller connects.
    expect(() => context({ deny: ['0.0.0.0/1', '::/1'] }, [], '')).not.toThrow()
    const denied = { deny: ['203.0.113.0/24', '10.0.0.0/24'], administrators: ['192.0.2.1'] }
    expect(context(denied, [flow('anyone', 'web', 80), flow([LB])]).warnings).toEqual([
      'lb (10.0.0.1) cannot connect to site on port 8080 (nginx), because firewall.deny contains its address',
    ])
  })

  it('reports repeated, overlapping and useless networks with their path', () => {
    const faults = (administrators: readonly string[]) =>
      firewall.check?.({ options: firewall.options.parse({ administrators }) } as unknown as Parameters<
        NonNullable<typeof firewall.check>
      >[0])
    expect(faults(['192.0.2.0/24', '198.51.100.0/24', 'fd00::1', '2001:db8::/32'])).toEqual([])
    expect(faults(['192.0.2.9', 'fd00::/8', '192.0.2.9', '192.0.2.0/24', 'fd12::1'])).toMatchObject([
      { path: ['administrators', 2], what: '192.0.2.9 is listed twice' },
      { path: ['administrators', 3], what: '192.0.2.0/24 and 192.0.2.9 overlap' },
      { path: ['administrators', 4], what: 'fd12::1 and fd00::/8 overlap' },
    ])
    const denied = (deny: readonly string[]) =>
      firewall.check?.({ options: firewall.options.parse({ administrators: ['192.0.2.9'], deny }) } as unknown as Parameters<
        NonNullable<typeof firewall.check>
      >[0])
    expect(denied(['198.51.100.0/24', '192.0.2.0/24', '0.0.0.0/0'])).toMatchObject([
      { path: ['deny', 2], what: '0.0.0.0/0 contains every address', fix: 'write the networks that must not connect' },
      { path: ['deny', 1], what: '192.0.2.0/24 contains addresses of 192.0.2.9 in firewall.administrators' },
      { path: ['deny', 2] },
    ])
    expect(faults(['::ffff:192.0.2.1', '0.0.0.0/0', '::/0'])).toMatchObject([
      { path: ['administrators', 0], fix: 'write it as an IPv4 address' },
      { path: ['administrators', 1], what: '0.0.0.0/0 contains every address' },
      { path: ['administrators', 2], what: '::/0 contains every address' },
    ])
  })

  it.each([
    { administrators: ['office.example.org'] },
    { administrators: ['10.0.0.0/33'] },
    { extra: ['accept\nflush ruleset'] },
    { confirm_seconds: 1 },
    { confirm_seconds: 601 },
    { ssh_rate: { per_minute: 0, burst: 1 } },
    { ssh_rate: { per_minute: 1 } },
    { forward: 'reject' },
    { extra: ['tcp dport { 80 accept'] },
    { extra: ['\naccept'] },
    { extra: ['accept\n'] },
    { extra: [''] },
    { admins: [] },
  ])('rejects %j', (options) => {
    expect(firewall.options.safeParse(options).success).toBe(false)
  })
})

describe('the option open', () => {
  const host = { name: 'web', user: 'ops', sshPort: 22, addresses: ['10.0.0.5'], publicAddresses: [], groups: ['web'] }
  const open = {
    wireguard: { port: 51_820, protocol: 'udp', from: ['anyone'] },
    backup: { port: 8730, from: ['192.0.2.0/24', 'backup', 'administrators'] },
  }

  it('declares flows of this role', () => {
    const options = firewall.options.parse({ open })
    const listens = firewall.listens?.({ options, host, site: { hosts: [host], group: () => [], withRole: () => [] } } as never) ?? []
    expect(listens.slice(1)).toEqual([
      { service: 'wireguard', port: 51_820, protocol: 'udp', from: ['anyone'] },
      { service: 'backup', port: 8730, protocol: 'tcp', from: [{ network: '192.0.2.0/24' }, { group: 'backup' }, 'administrators'] },
    ])
  })

  it.each([
    [{ a: { port: 1, from: ['0.0.0.0/0'] } }, 'contains every address'],
    [{ a: { port: 1, from: ['10.0.0.0/8', '10.1.0.0/16'] } }, 'overlap'],
    [{ a: { port: 1, from: ['10.0.0.1', '10.0.0.1'] } }, 'is listed twice'],
  ])('%j is refused', (given, what) => {
    const options = firewall.options.parse({ open: given })
    const [fault] = firewall.check?.({ options } as never) ?? []
    expect(fault).toMatchObject({ path: ['open', 'a', 'from', expect.any(Number)], what: expect.stringContaining(what) })
  })

  it.each([{ ssh: { port: 22, from: ['anyone'] } }, { a: { port: 0, from: ['anyone'] } }, { a: { port: 1, from: [] } }])(
    '%j is invalid',
    (given) => {
      expect(firewall.options.safeParse({ open: given }).success).toBe(false)
    },
  )
})
