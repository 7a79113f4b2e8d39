import { describe, expect, it } from 'vitest'
import firewall from '../../../../roles/firewall/role.ts'
import type { Connection, Exposed, Flow, HostView, SiteView } from '../../../../src/role/role.ts'
import { problemOf } from '../../problem-of.ts'

const hostOf = (name: string, address: string, groups: readonly string[]): HostView => ({
  ...{ name, user: 'ops', sshPort: 22, addresses: [address], publicAddresses: [], groups },
})
const hosts = [hostOf('web', '10.0.0.5', ['web']), hostOf('db', '10.0.0.6', ['database']), hostOf('mon', '10.0.0.7', ['monitors'])]
const site: SiteView = { hosts, group: (name) => hosts.filter(({ groups }) => groups.includes(name)), withRole: () => [] }
const [host] = hosts
const flow = (service: string, port: number, from: Flow['from'], more: Partial<Flow> = {}): Flow => ({
  ...{ host: 'web', role: 'nginx', service, port, protocol: 'tcp', encrypted: false, from },
  ...more,
})

interface Given {
  readonly flows?: readonly Flow[]
  readonly exposed?: readonly Exposed[]
  readonly connections?: readonly (Connection & { role: string })[]
  readonly clientAddress?: string
}

const declared = (options: object, { flows = [], exposed = [], connections = [], clientAddress = '192.0.2.1' }: Given = {}) => {
  const warnings: string[] = []
  const resources = firewall.resources({
    ...{ host, site, flows, exposed, connections, facts: { sshPort: 22, sshPorts: [22], clientAddress } },
    options: firewall.options.parse({ administrators: ['192.0.2.0/24'], ...options }),
    warn: (what: string) => void warnings.push(what),
  } as unknown as Parameters<typeof firewall.resources>[0])
  const rules = resources.find(({ kind }) => kind.name === 'nftables')?.spec as { readonly rules: string }
  return { warnings, rules: rules.rules, keys: resources.map(({ kind, id }) => `${kind.name}:${id}`) }
}

const faults = (options: object) =>
  (firewall.check?.({ host, site, options: firewall.options.parse(options) } as never) ?? []).map(
    ({ path, what }) => `${path.join('.')}: ${what}`,
  )

describe('sets', () => {
  const sets = { office: ['192.0.2.0/24', '2001:db8:7::/48'], scanners: ['198.51.100.0/24'] }

  it('stand for their networks', () => {
    const { rules } = declared({ sets, administrators: ['office'], deny: ['scanners', '203.0.113.9'] })
    expect(rules).toContain('set administrators4 { type ipv4_addr; flags interval; elements = { 192.0.2.0/24 comment "administrators" } }')
    expect(rules).toContain('elements = { 198.51.100.0/24 comment "denied", 203.0.113.9 comment "denied" }')
    expect(firewall.networks?.({ options: firewall.options.parse({ sets }) } as never)).toEqual(sets)
  })

  it('are refused if they do not exist, overlap, or have the name of a group', () => {
    expect(faults({ sets, administrators: ['ofice'], deny: ['nobody'] })).toEqual([
      'administrators.0: ofice is neither a network nor a set',
      'deny.0: nobody is neither a network nor a set',
    ])
    expect(faults({ sets, administrators: ['office', '192.0.2.7'] })).toEqual(['administrators.1: 192.0.2.7 and office overlap'])
    expect(faults({ sets: { web: ['192.0.2.1'], all4: ['0.0.0.0/0'] } })).toEqual([
      'sets.web: web is a group of the inventory',
      'sets.all4.0: 0.0.0.0/0 contains every address',
    ])
    expect(faults({ sets, administrators: ['192.0.2.9'], deny: ['office'] })).toEqual([
      'deny.0: office contains addresses of 192.0.2.9 in firewall.administrators',
    ])
  })

  it('cannot be denied if they contain the controller', async () => {
    const problem = await problemOf(() => declared({ sets, deny: ['scanners'] }, { clientAddress: '198.51.100.7' }))
    expect(problem).toMatchObject({
      what: 'firewall.deny contains 198.51.100.7 in scanners: 198.51.100.0/24, from which this run connects',
      fix: 'remove scanners from firewall.deny, or write smaller networks',
    })
  })

  it.each(['anyone', 'administrators', 'all', 'ssh', 'Office', '10.0.0.1'])('cannot be called %s', (name) => {
    expect(firewall.options.safeParse({ sets: { [name]: ['192.0.2.1'] } }).success).toBe(false)
  })
})

describe('ports', () => {
  const options = {
    open: { api: { port: 8730, from: ['anyone'], why: 'partner API', rate: { per_minute: 60, burst: 20 } } },
    interfaces: { wg0: { open: { dns: { forwarded: true, port: 53, protocol: 'udp', from: ['anyone'] } } } },
    forwards: { shop: { port: 8443, from: ['db'], to: '10.8.0.2', to_port: 443 } },
  }

  it('are flows with their reason, rate and interface', () => {
    expect(firewall.listens?.({ host, site, options: firewall.options.parse(options) } as never)?.slice(1)).toEqual([
      { service: 'api', port: 8730, protocol: 'tcp', from: ['anyone'], why: 'partner API', rate: { perMinute: 60, burst: 20 } },
      { service: 'dns', port: 53, protocol: 'udp', from: ['anyone'], forwarded: true, interface: 'wg0' },
      { service: 'shop', port: 8443, protocol: 'tcp', from: [{ group: 'db' }], forwarded: true },
    ])
  })

  it('have rules for their interface, with their reason', () => {
    const { rules } = declared({}, { flows: [flow('dns', 53, 'anyone', { protocol: 'udp', interface: 'wg0', why: 'names' })] })
    expect(rules).toContain(
      'iifname "wg0" udp dport 53 counter name in_udp_53_dns_wg0 accept comment "53/udp on wg0 (dns) for nginx: names, from anyone"',
    )
  })

  it('of a role are limited by the option rates; an unused limit is a warning', () => {
    const limited = { rates: { site: { per_minute: 600, burst: 100 }, nothing: { per_minute: 1, burst: 1 } } }
    const { rules, warnings } = declared(limited, { flows: [flow('site', 8080, 'anyone'), flow('other', 8081, 'anyone')] })
    expect(rules).toContain(
      'tcp dport 8080 ct state new update @rate_tcp_8080_site_4 { ip saddr limit rate over 600/minute burst 100 packets } counter name drop_rate drop',
    )
    expect(rules).not.toContain('rate_tcp_8081')
    expect(warnings).toEqual(['the limit of nothing in firewall.rates never matches: no role opens a service of this name on this host'])
  })

  it('need a forwarding kernel, and another host as target, if they are passed on', () => {
    expect(declared(options).keys).toContain('sysctl:net.ipv4.ip_forward')
    expect(declared({}).keys).not.toContain('sysctl:net.ipv4.ip_forward')
    expect(declared(options).rules).toContain('fib daddr type local tcp dport 8443 dnat ip to 10.8.0.2:443')
    for (const to of ['127.0.0.1', '127.8.0.1', '::1', '0:0:0:0:0:0:0:1', '::', '::ffff:127.0.0.1', '::ffff:7f00:1'])
      expect(faults({ forwards: { a: { port: 1, from: ['anyone'], to } } })).toEqual([
        `forwards.a.to: ${to} is an address of the host itself`,
      ])
    expect(faults({ forwards: { a: { port: 1, from: ['anyone'], to: '2001:db8::1' } } })).toEqual([])
  })

  it('of sshd cannot be passed on', async () => {
    expect(
      await problemOf(() => declared({}, { flows: [flow('git', 22, 'anyone', { role: 'firewall', forwarded: true })] })),
    ).toMatchObject({
      what: 'port 22/tcp for git is in use by sshd',
    })
  })

  it.each([
    { open: { a: { port: 1, from: ['anyone'], why: 'two\nlines' } } },
    { open: { a: { port: 1, from: ['anyone'], rate: { per_minute: 0, burst: 1 } } } },
    { interfaces: { 'wg 0': {} } },
    { interfaces: { wg0: { masquerade: ['office'] } } },
    { forwards: { a: { port: 1, from: ['anyone'] } } },
    { outgoing: { policy: 'reject' } },
    { outgoing: { to: { a: { port: 1, to: [] } } } },
  ])('%j is invalid', (given) => {
    expect(firewall.options.safeParse(given).success).toBe(false)
  })
})

describe('rules that cannot match', () => {
  const warned = (options: object, ...flows: readonly Flow[]) => declared(options, { flows }).warnings

  it('are named with the rule that comes first', () => {
    expect(warned({ extra: ['tcp dport 8080 drop'] }, flow('site', 8080, [{ name: 'lb', addresses: ['10.0.0.2'] }]))).toEqual([
      'the rule for site on port 8080 (nginx) never matches: "tcp dport 8080 drop" of firewall.extra comes first',
    ])
    expect(warned({ extra: ['tcp dport 8081 drop', 'ip saddr 10.0.0.9 tcp dport 8080 drop'] }, flow('site', 8080, 'anyone'))).toEqual([])
    const vpn = flow('vpn-site', 8080, 'anyone', { interface: 'wg0' })
    expect(warned({}, flow('site', 8080, 'anyone'), vpn)).toEqual([
      'the rule for vpn-site on port 8080 (nginx) on wg0 changes nothing: site on port 8080 (nginx) is open to anyone on every interface',
    ])
    expect(warned({}, flow('site', 8080, [{ name: 'lb', addresses: ['10.0.0.2'] }]), vpn)).toEqual([])
  })

  it('include networks whose packets are never forwarded', () => {
    const masquerade = { eth0: { masquerade: ['10.8.0.0/24'] } }
    expect(warned({ interfaces: masquerade })).toEqual([
      'firewall.interfaces.eth0.masquerade never matches: no interface forwards packets to eth0',
    ])
    expect(warned({ interfaces: { ...masquerade, wg0: { forward: ['eth0'] } } })).toEqual([])
    expect(warned({ interfaces: masquerade, forward: 'accept' })).toEqual([])
  })

  it('include outgoing flows that every host has', () => {
    const outgoing = { policy: 'drop', to: { dns: { port: 53, protocol: 'udp', to: ['anyone'] }, smtp: { port: 587, to: ['anyone'] } } }
    expect(warned({ outgoing })).toEqual(['firewall.outgoing.to.dns changes nothing: "udp dport { 53, 123, 853 } accept" comes first'])
  })
})

describe('outgoing', () => {
  const drop = (to: object = {}) => ({ outgoing: { policy: 'drop', to } })
  const flows = [
    flow('db', 3306, [{ name: 'web', addresses: ['10.0.0.5'] }], { host: 'db' }),
    flow('metrics', 9100, [{ name: '10.0.0.0/8', addresses: ['10.0.0.0/8'] }], { host: 'mon' }),
    flow('https', 443, 'anyone', { host: 'mon' }),
    flow('copies', 4567, [{ name: 'mon', addresses: ['10.0.0.7'] }], { host: 'db' }),
  ]

  it('permits the flows of the site from this host, and none of other hosts', () => {
    const { rules } = declared(drop(), { flows })
    expect(rules).toMatch(/hook output priority filter; policy drop;/)
    expect(rules).toContain(
      'set site_tcp4 { type ipv4_addr . inet_service; elements = { 10.0.0.6 . 3306 comment "db of db", 10.0.0.7 . 9100 comment "metrics of mon", 10.0.0.7 . 443 comment "https of mon" } }',
    )
    expect(rules).not.toContain('4567')
    expect(declared({}, { flows }).rules).not.toContain('hook output')
  })

  it('permits the pages that monitoring requests', () => {
    const probe = (url: string): Exposed => ({
      ...{ type: 'probe', name: 'www', of: 'site', url, server: 'www.example.org', trusts: 'public', host: 'mon', role: 'haproxy-tls' },
    })
    const { rules } = declared(drop(), {
      exposed: [probe('https://198.51.100.1/'), probe('http://[2001:db8::1]:8080/'), probe('https://www.example.org/')],
    })
    expect(rules).toContain('198.51.100.1 . 443 comment "www"')
    expect(rules).toContain('2001:db8::1 . 8080 comment "www"')
    expect(rules).not.toContain('www.example.org . 443')
  })

  it('permits the connections of roles, each port once', () => {
    const connections = [587, 443, 587].map((port) => ({ role: 'monitoring', service: 'alerts', port, protocol: 'tcp' as const }))
    const rules = declared(drop(), { connections })
      .rules.split('\n')
      .filter((line) => line.includes('(monitoring alerts)'))
    expect(rules.map((line) => line.trim())).toEqual([
      'tcp dport 587 accept comment "587/tcp (monitoring alerts)"',
      'tcp dport 443 accept comment "443/tcp (monitoring alerts)"',
    ])
  })

  it('permits the peers of the option', () => {
    const { rules } = declared(
      {
        sets: { bank: ['203.0.113.0/24'] },
        ...drop({ pay: { port: 443, to: ['bank', 'database'], why: 'payments' }, any: { to: ['anyone'], protocol: 'udp' } }),
      },
      {},
    )
    expect(rules).toContain('elements = { 203.0.113.0/24 comment "bank", 10.0.0.6 comment "database" }')
    expect(rules).toContain('tcp dport 443 ip daddr @out_pay_4 accept comment "443/tcp (pay): payments"')
    expect(rules).toContain('meta l4proto udp accept comment "udp (any)"')
  })

  it('keeps the peers of similar names apart', () => {
    const { rules } = declared(drop({ 'a-b': { to: ['192.0.2.1'] }, a_b: { to: ['192.0.2.2'] } }))
    expect(rules).toMatch(/set out_a-b_4 .* elements = \{ 192\.0\.2\.1 /)
    expect(rules).toMatch(/set out_a_b_4 .* elements = \{ 192\.0\.2\.2 /)
  })

  it('refuses peers that do not exist, and peers without a policy', () => {
    expect(faults(drop({ a: { to: ['nobody'] }, b: { to: ['anyone', 'web'] } }))).toEqual([
      'outgoing.to.a.to.0: nobody is neither a network, a set nor a group with hosts',
      'outgoing.to.b.to.0: `anyone` includes all others',
    ])
    expect(faults(drop({ a: { to: ['smtp.example.org'] }, b: { to: ['10.0.0.0/33'] } }))).toEqual([
      'outgoing.to.a.to.0: smtp.example.org is neither a network, a set nor a group with hosts',
      'outgoing.to.b.to.0: 10.0.0.0/33 is neither a network, a set nor a group with hosts',
    ])
    expect(faults({ outgoing: { to: { a: { to: ['web'] } } } })).toEqual(['outgoing.to: to has no effect with `policy: accept`'])
  })
})
