import { describe, expect, it } from 'vitest'
import firewall from '../../../roles/firewall/role.ts'
import { type Policy, rulesOf } from '../../../roles/firewall/rules.ts'
import type { Flow } from '../../../src/role/role.ts'

const policy = (more: Partial<Policy> = {}): Policy => ({
  sshPort: 22,
  administrators: [],
  sshRate: { perMinute: 30, burst: 60 },
  forward: 'drop',
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
  from,
})
const LB = { name: 'lb', addresses: ['10.0.0.1', 'fd00::1'] }
const lines = (text: string): readonly string[] => text.split('\n').map((line) => line.trim())

describe('the rules of a host', () => {
  it('let a peer come by name to both families, and count what comes', () => {
    const found = lines(rulesOf(policy({ flows: [flow([LB])] })))
    expect(found).toEqual(
      expect.arrayContaining([
        'set to_tcp_8080_site_4 { type ipv4_addr; elements = { 10.0.0.1 } }',
        'set to_tcp_8080_site_6 { type ipv6_addr; elements = { fd00::1 } }',
        'counter in_tcp_8080_site { }',
        '# 8080/tcp (site) from lb, for nginx',
        'tcp dport 8080 ip saddr @to_tcp_8080_site_4 counter name in_tcp_8080_site accept',
        'tcp dport 8080 ip6 saddr @to_tcp_8080_site_6 counter name in_tcp_8080_site accept',
      ]),
    )
    expect(found).not.toContain('tcp dport 8080 counter name in_tcp_8080_site accept')
  })

  it('make a new peer an element and not a rule', () => {
    const rules = (peers: Flow['from']) => lines(rulesOf(policy({ flows: [flow(peers)] }))).filter((line) => line.includes('accept'))
    expect(rules([LB, { name: 'lb2', addresses: ['10.0.0.9'] }])).toEqual(rules([LB]))
  })

  it('keep the port open on which sshd really serves us', () => {
    expect(rulesOf(policy({ sshPort: 2222 }))).toContain('tcp dport 2222 counter name in_ssh accept')
    expect(rulesOf(policy({ sshPort: 2222 }))).not.toContain('dport 22 ')
  })

  it('let only administrators come to sshd once there are some, without a limit', () => {
    const text = rulesOf(
      policy({
        administrators: ['192.0.2.0/24', '2001:db8::/32'],
        flows: [flow([{ name: 'administrators', addresses: [] }], 'metrics', 9100)],
      }),
    )
    expect(text).toContain('set administrators4 { type ipv4_addr; flags interval; auto-merge; elements = { 192.0.2.0/24 } }')
    expect(text).toContain('tcp dport 22 ip6 saddr @administrators6 counter name in_ssh accept')
    expect(text).toContain('tcp dport 9100 ip saddr @administrators4 counter name in_tcp_9100_metrics accept')
    expect(text).not.toMatch(/ssh_meter|tcp dport 22 counter/)
  })

  it('open nothing else to anyone for want of administrators', () => {
    expect(rulesOf(policy({ flows: [flow([{ name: 'administrators', addresses: [] }], 'metrics', 9100)] }))).not.toContain('dport 9100')
  })

  it('count established connections nowhere near the SSH limit, and visitors of both families in it', () => {
    const found = lines(rulesOf(policy()))
    const meters = found.flatMap((line, i) => (line.includes('update @ssh_meter') ? [i] : []))
    expect(meters.length).toBe(2)
    expect(found.indexOf('ct state established,related accept')).toBeLessThan(Math.min(...meters))
    expect(rulesOf(policy({ sshRate: undefined }))).not.toContain('ssh_meter')
  })

  it('never limit the errors that path MTU discovery lives on, and take them before anything is called invalid', () => {
    const found = lines(rulesOf(policy()))
    const errors = found.findIndex((line) => line.includes('packet-too-big'))
    expect(found[errors]).not.toContain('limit')
    expect(errors).toBeLessThan(found.findIndex((line) => line.includes('ct state invalid')))
  })

  it('name no set or counter with a word that nft has another use for', () => {
    const text = rulesOf(policy({ flows: [flow([LB], 'monitor'), flow('anyone', 'a-b c', 1)] }))
    for (const [, name] of text.matchAll(/^ {2}(?:set|counter) (\S+) /gm)) expect(name).toMatch(/^(to|in|drop|ssh)_[a-z0-9_]+$/)
  })

  it('put extra rules before the drop', () => {
    const found = lines(rulesOf(policy({ extra: ['udp dport 51820 accept'], forward: 'accept' })))
    expect(found.indexOf('udp dport 51820 accept')).toBeLessThan(found.indexOf('counter name drop_input'))
    expect(found).toContain('type filter hook forward priority filter; policy accept;')
  })
})

describe('the role', () => {
  it('says who may come to SSH, and keeps it to the port on which sshd serves us', () => {
    const said = (options: object) =>
      firewall.listens?.({ host: { name: 'web', sshPort: 2222 }, options: firewall.options.parse(options) } as unknown as Parameters<
        NonNullable<typeof firewall.listens>
      >[0])
    expect(said({})).toEqual([{ service: 'ssh', port: 2222, protocol: 'tcp', from: ['anyone'] }])
    expect(said({ administrators: ['192.0.2.1'] })).toEqual([{ service: 'ssh', port: 2222, protocol: 'tcp', from: ['administrators'] }])
    const own: Flow = { ...flow('anyone', 'ssh', 2222), role: 'firewall' }
    expect(context({}, [own]).rules).not.toContain('2222')
  })

  const context = (options: object, flows: readonly Flow[]) => {
    const warnings: string[] = []
    const resources = firewall.resources({
      host: { name: 'web' },
      facts: { sshPort: 22 },
      options: firewall.options.parse(options),
      flows,
      warn: (what: string) => void warnings.push(what),
    } as unknown as Parameters<typeof firewall.resources>[0])
    return { warnings, rules: JSON.stringify(resources), keys: resources.map(({ kind, id }) => `${kind.name}:${id}`) }
  }

  it('opens the ports of its own host only, and has its rules in force before its unit starts', () => {
    const { rules, keys } = context({}, [flow('anyone'), { ...flow('anyone', 'db', 3306), host: 'other' }])
    expect(rules).toContain('dport 8080')
    expect(rules).not.toContain('3306')
    expect(keys).toEqual([
      'package:nftables',
      'unit:provision-firewall.service',
      'nftables:inet provision',
      'service:provision-firewall.service',
    ])
  })

  it('warns where SSH is open to anyone, and where that leaves administrators out', () => {
    const metrics = flow([{ name: 'administrators', addresses: [] }], 'metrics', 9100)
    expect(context({}, [metrics]).warnings).toEqual([
      'SSH is open to anyone: name the networks you come from in firewall.administrators',
      'no administrator may come to metrics on port 9100 (nginx): firewall.administrators is empty',
    ])
    expect(context({ administrators: ['192.0.2.1'] }, [metrics]).warnings).toEqual([])
  })

  it.each([
    { administrators: ['office.example.org'] },
    { administrators: ['10.0.0.0/33'] },
    { extra: ['accept\nflush ruleset'] },
    { confirm_seconds: 1 },
    { admins: [] },
  ])('refuses %j', (options) => {
    expect(firewall.options.safeParse(options).success).toBe(false)
  })
})
