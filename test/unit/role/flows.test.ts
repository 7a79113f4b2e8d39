import { describe, expect, it } from 'vitest'
import { type Declared, resolveFlows } from '../../../src/role/flows.ts'
import type { HostView, Listen, Peer, SiteView } from '../../../src/role/role.ts'

const host = (name: string, groups: readonly string[], addresses: readonly string[]): HostView => ({
  name,
  user: 'ops',
  sshPort: 22,
  groups,
  addresses,
  publicAddresses: addresses,
})
const hosts = [
  host('lb', ['balancers'], ['10.0.0.1', 'fd00::1']),
  host('web1', ['web'], ['10.0.0.2']),
  host('web2', ['web'], ['10.0.0.3']),
  host('named', ['legacy'], ['named.example.org']),
  host('bare', ['legacy'], []),
  host('six', ['modern'], ['fd00::6']),
]
const site: SiteView = { hosts, group: (name) => hosts.filter(({ groups }) => groups.includes(name)), withRole: () => [] }
const listen = (service: string, port: number, ...from: readonly Peer[]): Listen => ({ service, port, protocol: 'tcp', from })
const declare = (name: string, role: string, ...listens: readonly Listen[]): Declared => ({
  host: hosts.find((one) => one.name === name) as HostView,
  role,
  listens,
  where: { file: 'playbooks/site.yaml', line: role.length },
})

describe('flows', () => {
  it('name every peer with all its addresses', () => {
    const { flows, problems } = resolveFlows(
      [declare('web1', 'nginx', listen('site', 8080, { group: 'balancers' }, { host: 'web2' }))],
      site,
    )
    expect(problems).toEqual([])
    expect(flows).toEqual([
      {
        host: 'web1',
        role: 'nginx',
        service: 'site',
        port: 8080,
        protocol: 'tcp',
        encrypted: false,
        from: [
          { name: 'lb', addresses: ['10.0.0.1', 'fd00::1'] },
          { name: 'web2', addresses: ['10.0.0.3'] },
        ],
      },
    ])
  })

  it('from a set have the networks of their own host', () => {
    const office = (network: string): Listen => listen('site', 8080, { set: 'office', networks: [network] })
    const { flows } = resolveFlows(
      [declare('web1', 'nginx', office('192.0.2.0/24')), declare('web2', 'nginx', office('198.51.100.0/24'))],
      site,
    )
    expect(flows.map(({ from }) => from)).toEqual([
      [{ name: 'office', addresses: ['192.0.2.0/24'] }],
      [{ name: 'office', addresses: ['198.51.100.0/24'] }],
    ])
  })

  it('of a host without addresses reach it by no family, which is reported', () => {
    const { flows, problems } = resolveFlows([declare('bare', 'nginx', listen('site', 8080, { group: 'web' }))], site)
    expect(flows).toEqual([])
    expect(problems.map(({ what }) => what)).toEqual([
      'role nginx on bare: site on 8080/tcp permits web1, web2 without an IPv address, and bare has no other',
    ])
  })

  it('have the longest response time of their entries and plays', () => {
    const slow = (responseSeconds?: number, peer = 'lb'): Listen => ({
      ...listen('site', 8080, { host: peer }),
      ...(responseSeconds !== undefined && { responseSeconds }),
    })
    const secondsOf = (...declared: readonly Declared[]) => resolveFlows(declared, site).flows.map(({ responseSeconds }) => responseSeconds)
    expect(secondsOf(declare('web1', 'nginx', slow()))).toEqual([undefined])
    expect(secondsOf(declare('web1', 'nginx', slow(5), slow(60, 'web2')))).toEqual([60])
    expect(secondsOf(declare('web1', 'nginx', slow(60)), declare('web1', 'nginx', slow(5)))).toEqual([60])
    expect(secondsOf(declare('web1', 'nginx', slow()), declare('web1', 'nginx', slow(5)))).toEqual([5])
  })

  it.each<[string, readonly Peer[], unknown]>([
    ['anyone', ['anyone'], 'anyone'],
    ['administrators have no addresses of the inventory', ['administrators'], [{ name: 'administrators', addresses: [] }]],
    [
      'a host that two peers name is listed once',
      [{ group: 'web' }, { host: 'web1' }],
      [
        { name: 'web1', addresses: ['10.0.0.2'] },
        { name: 'web2', addresses: ['10.0.0.3'] },
      ],
    ],
  ])('%s', (_, from, expected) => {
    expect(resolveFlows([declare('lb', 'r', listen('s', 1, ...from))], site).flows[0]?.from).toEqual(expected)
  })

  it('are shared by roles with the same declaration, and merged within one role', () => {
    const same = [
      declare('lb', 'a', listen('s', 1, { group: 'web' })),
      declare('lb', 'b', listen('s', 1, { host: 'web2' }, { host: 'web1' })),
    ]
    expect(resolveFlows(same, site)).toMatchObject({ flows: [{ role: 'a' }], problems: [] })
    const joined = resolveFlows([declare('lb', 'a', listen('s', 1, { host: 'web1' }), listen('s', 1, { host: 'web2' }))], site)
    expect(joined.problems).toEqual([])
    expect(joined.flows.map(({ from }) => from)).toEqual([
      [
        { name: 'web1', addresses: ['10.0.0.2'] },
        { name: 'web2', addresses: ['10.0.0.3'] },
      ],
    ])
    const apart = { ...listen('s', 1, 'anyone'), protocol: 'udp' as const }
    expect(resolveFlows([declare('lb', 'a', listen('s', 1, { host: 'web1' })), declare('lb', 'b', apart)], site)).toMatchObject({
      problems: [],
    })
  })

  it('exist for a host that is its own only peer', () => {
    expect(resolveFlows([declare('lb', 'r', listen('s', 1, { group: 'balancers' }))], site)).toMatchObject({
      flows: [{ host: 'lb', from: [{ name: 'lb' }] }],
      problems: [],
    })
  })

  it('need no port for a protocol without ports', () => {
    const beats: Listen = { service: 'beats', port: 0, protocol: 'vrrp', from: [{ host: 'web2' }] }
    expect(resolveFlows([declare('web1', 'r', beats)], site)).toMatchObject({ flows: [{ protocol: 'vrrp', port: 0 }], problems: [] })
    const other = resolveFlows([declare('web1', 'r', beats), declare('web1', 'other', { ...beats, service: 'others' })], site)
    expect(other.problems.map(({ what }) => what)).toEqual([
      'role other on web1: vrrp for others is taken by beats of role r (playbooks/site.yaml:1)',
    ])
  })

  it('are refused once for all hosts with the same problem', () => {
    const declared = ['web1', 'web2'].map((name) => declare(name, 'nginx', listen('site', 80)))
    expect(resolveFlows(declared, site).problems.map(({ what }) => what)).toEqual([
      'role nginx on web1, web2: site on 80/tcp has no permitted peers',
    ])
  })

  it.each<[string, readonly Declared[], string, string]>([
    [
      'unknown group',
      [declare('web1', 'nginx', listen('site', 80, { group: 'balancer' }))],
      'site on 80/tcp names the group balancer, which has no hosts',
      'did you mean `balancers`?',
    ],
    [
      'unknown host',
      [declare('web1', 'nginx', listen('site', 80, { host: 'balancer-of-paris' }))],
      'site on 80/tcp names the host balancer-of-paris, which does not exist',
      '(available: ',
    ],
    ['nobody', [declare('web1', 'nginx', listen('site', 80))], 'site on 80/tcp has no permitted peers', 'name a group'],
    [
      'a name for an address',
      [declare('web1', 'nginx', listen('site', 80, { host: 'named' }))],
      'site on 80/tcp permits named, whose address named.example.org is a name',
      'internal: of named',
    ],
    [
      'no address',
      [declare('web1', 'nginx', listen('site', 80, { host: 'bare' }))],
      'site on 80/tcp permits bare, which has no address',
      'internal: of bare',
    ],
    [
      'anyone beside others',
      [declare('web1', 'nginx', listen('site', 80, 'anyone', { host: 'lb' }, 'administrators'))],
      'site on 80/tcp names anyone and also the host lb, administrators',
      'remove anyone',
    ],
    [
      'one peer twice, in two entries',
      [declare('web1', 'nginx', listen('site', 80, { group: 'balancers' }), listen('site', 80, { group: 'balancers' }))],
      'site on 80/tcp names the group balancers twice',
      'name it once',
    ],
    [
      'peers without an address of a family that the host has',
      [declare('six', 'nginx', listen('site', 80, { group: 'web' }, { host: 'lb' }))],
      'site on 80/tcp permits web1, web2 without an IPv6 address, and six has no other',
      'internal: of six and of its peers',
    ],
    [
      'two roles, one service, other peers',
      [declare('lb', 'haproxy', listen('https', 443, 'anyone')), declare('lb', 'nginx', listen('https', 443, { group: 'web' }))],
      'https on 443/tcp has other permitted peers than in role haproxy (playbooks/site.yaml:7)',
      'make both declarations the same',
    ],
    [
      'two roles, one service, encrypted or not',
      [
        declare('lb', 'haproxy', { ...listen('https', 443, 'anyone'), encrypted: true }),
        declare('lb', 'nginx', listen('https', 443, 'anyone')),
      ],
      'https on 443/tcp is not encrypted, unlike in role haproxy (playbooks/site.yaml:7)',
      'make both declarations the same',
    ],
    ['no port', [declare('web1', 'nginx', listen('site', 70000, 'anyone'))], 'site cannot listen on port 70000', '1 to 65535'],
    [
      'two roles, one port',
      [declare('lb', 'haproxy', listen('https', 443, 'anyone')), declare('lb', 'nginx', listen('site', 443, 'anyone'))],
      '443/tcp for site is taken by https of role haproxy (playbooks/site.yaml:7)',
      'another port',
    ],
  ])('are refused with a place and a fix: %s', (_, declared, what, fix) => {
    const { problems } = resolveFlows(declared, site)
    expect(problems.map((problem) => problem.what.replace(/^role \S+ on [^:]+: /, ''))).toEqual([what])
    expect(problems[0]).toMatchObject({ class: 'input', where: { file: 'playbooks/site.yaml' } })
    expect(problems[0]?.fix).toContain(fix)
  })
})

describe('the work for flows', () => {
  /** Reads of addresses to resolve one port on each of n hosts, which permits a group of n hosts. */
  const readsFor = (n: number): number => {
    let reads = 0
    const many = Array.from({ length: n }, (_, i): HostView => {
      const one = host(`web${i}`, ['web'], [`10.0.${i >> 8}.${i & 255}`])
      return Object.defineProperty(one, 'addresses', {
        get: () => {
          reads += 1
          return [`10.0.${i >> 8}.${i & 255}`]
        },
      })
    })
    const all: SiteView = { hosts: many, group: () => many, withRole: () => [] }
    const where = { file: 'playbooks/site.yaml', line: 1 }
    const declared = many.map((one): Declared => ({ host: one, role: 'nginx', listens: [listen('site', 8080, { group: 'web' })], where }))
    expect(resolveFlows(declared, all).flows).toHaveLength(n)
    return reads
  }

  it('grows with the hosts, and not faster', () => {
    const [few, many] = [readsFor(20), readsFor(200)]
    expect(many).toBeLessThanOrEqual(10 * few)
  })
})
