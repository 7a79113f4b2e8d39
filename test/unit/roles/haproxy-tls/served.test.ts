import { describe, expect, it } from 'vitest'
import haproxy from '../../../../roles/haproxy-tls/role.ts'
import { probeTargets } from '../../../../roles/monitoring/probes.ts'
import { type Content, shownText } from '../../../../src/resource/kind/content.ts'
import type { Exposed, Flow, ServedSite } from '../../../../src/role/role.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { host, unknownIdentities } from '../context.ts'
import { declaredBy, textOf } from './balancer.ts'

const WWW: ServedSite = { names: ['www.test', 'test.test'] }
const SHOP: ServedSite = { names: ['shop.test'] }
const ALL: ServedSite = { names: [] }
const CERTIFICATES = [{ names: ['www.test', 'test.test', 'shop.test'] }]

const LB = host('lb-01', '127.0.0.1')
const WEB = ['web-01', 'web-02'].map((name) => host(name, '127.0.0.1'))
const flowsOf = (sites: readonly ServedSite[] | undefined): readonly Flow[] =>
  WEB.map(({ name }) => ({
    ...{ host: name, role: 'nginx', service: 'site', port: 8443, protocol: 'tcp', encrypted: true },
    from: [{ name: 'lb-01', addresses: LB.addresses }],
    ...(sites !== undefined && { sites }),
  }))
const contextOf = (options: object, sites: readonly ServedSite[] | undefined) => ({
  host: LB,
  options: haproxy.options.parse({ certificates: CERTIFICATES, ipv6: false, ...options }),
  site: { hosts: [LB, ...WEB], group: (name: string) => (name === 'web' ? WEB : []), withRole: () => [LB] },
  flows: flowsOf(sites),
})
/** Lines of haproxy.cfg that choose a section or check health, for web servers with these sites. */
const linesOf = (sites: readonly ServedSite[] | undefined, options: object = {}): readonly string[] => {
  const text = textOf(
    declaredBy({ certificates: CERTIFICATES, retry_posts: true, ...options }, [8443, 8444], sites && { sites }),
    '/etc/haproxy/haproxy.cfg',
  )
  return text.split('\n').flatMap((line) => (/^ *(use_backend|default_backend|http-check send) /.test(line) ? [line.trim()] : []))
}
const check = (name: string) => `http-check send meth GET uri /healthz ver HTTP/1.1 hdr Host ${name}`

describe('sites that the web servers serve', () => {
  it('are checked each, and chosen by name, also without sites of the balancer', () => {
    expect(linesOf([WWW, SHOP])).toEqual([
      'use_backend web.shop.test if { req.hdr(host),field(1,:),lower -m str shop.test }',
      'default_backend web',
      check('www.test'),
      check('shop.test'),
    ])
  })

  it('need no section of their own where the common one checks them', () => {
    for (const sites of [undefined, [ALL], [WWW]]) expect(linesOf(sites)).toEqual(['default_backend web', check('www.test')])
    // The first name of the certificate belongs to no named site, so each named one is checked by itself.
    expect(linesOf([ALL, SHOP])).toEqual([
      'use_backend web.shop.test if { req.hdr(host),field(1,:),lower -m str shop.test }',
      'default_backend web',
      check('www.test'),
      check('shop.test'),
    ])
  })

  it('have the servers that serve them', () => {
    const [first, second] = flowsOf([WWW, SHOP])
    if (first === undefined || second === undefined) throw new Error('two servers are needed')
    const context = contextOf({}, undefined)
    const flows = [first, { ...second, sites: [WWW] }]
    const given = { ...unknownIdentities, ...context, flows, exposed: [], facts: {} }
    const config = haproxy.resources(given as never).find(({ id }) => id === '/etc/haproxy/haproxy.cfg')
    const text = config === undefined ? '' : (shownText((config.spec as { content: Content }).content) ?? '')
    const sections = text.split(/\n(?=\S)/)
    const serversIn = (name: string) => sections.find((part) => part.startsWith(`backend ${name}\n`))?.match(/server web-\d+/g)
    expect(serversIn('web')).toEqual(['server web-01', 'server web-02'])
    expect(serversIn('web.shop.test')).toEqual(['server web-01'])
  })

  it('wait no longer because other hosts and other services take their time', () => {
    const [first, second] = flowsOf([WWW, SHOP]) as readonly [Flow, Flow]
    const declare = (...more: readonly Flow[]) =>
      haproxy.resources({
        ...unknownIdentities,
        ...contextOf({}, undefined),
        flows: [first, second, ...more],
        exposed: [],
        facts: {},
      } as never)
    expect(() =>
      declare({ ...first, host: 'lb-01', responseSeconds: 999 }, { ...first, service: 'metrics', responseSeconds: 999 }),
    ).not.toThrow()
    expect(() => declare({ ...first, responseSeconds: 999 })).toThrow('a site on web-01 may take 999 s')
  })

  it('follow the options if the balancer has sites', () => {
    const sites = [{ names: ['shop.test'] }, { names: ['www.test'], health_path: '/alive' }]
    expect(linesOf([WWW, SHOP], { sites })).toEqual([
      'use_backend web.shop.test if { req.hdr(host),field(1,:),lower -m str shop.test }',
      'use_backend web.www.test if { req.hdr(host),field(1,:),lower -m str www.test }',
      'default_backend nobody',
      check('shop.test'),
      'http-check send meth GET uri /alive ver HTTP/1.1 hdr Host www.test',
    ])
  })

  it.each(['drains', 'serves'])('are asked by the scripts of %s', (hook) => {
    const context = contextOf({}, [WWW, SHOP])
    const script = hook === 'serves' ? haproxy.serves?.(context) : haproxy.drains?.(context, WEB[0] as never)?.back
    expect(String(script)).toContain('web) set -- "$1" "$2" /healthz www.test 200;;')
    expect(String(script)).toContain('web.shop.test) set -- "$1" "$2" /healthz shop.test 200;;')
  })
})

describe('names that balancer and web servers do not share', () => {
  const warnings = (sites: readonly ServedSite[] | undefined, options: object = {}): readonly string[] => {
    const found: string[] = []
    const context = { ...unknownIdentities, ...contextOf(options, sites), exposed: [], facts: {}, warn: (what: string) => found.push(what) }
    haproxy.resources(context as never)
    return found
  }

  it.each<[string, readonly ServedSite[] | undefined, object, readonly RegExp[]]>([
    ['all agree', [WWW, SHOP], {}, []],
    ['one site serves all names', [ALL], {}, []],
    ['the web servers do not declare their sites', undefined, {}, []],
    [
      'a site without a certificate',
      [WWW, SHOP, { names: ['new.test'] }],
      {},
      [/^the web servers have a site for new\.test, and no certificate covers it/],
    ],
    ['a name without a site', [WWW], {}, [/^no site of the web servers has the name shop\.test, so its visitors get status 404/]],
    [
      'a site that is not routed',
      [WWW, SHOP],
      { sites: [{ names: ['www.test', 'test.test'] }] },
      [/^the web servers have a site for shop\.test, and visitors get status 421/],
    ],
    [
      'one entry for two sites',
      [WWW, SHOP],
      { sites: [{ names: ['www.test', 'test.test', 'shop.test'] }] },
      [/^test\.test and shop\.test are one site of the balancer and several of the web servers/],
    ],
    [
      'wildcards',
      [{ names: ['*.in.test'] }, WWW, SHOP],
      { certificates: [...CERTIFICATES, { names: ['*.in.test'] }], acme: { dns_hook: ['x'] } },
      [],
    ],
    [
      'a name below a wildcard',
      [{ names: ['a.in.test'] }, WWW, SHOP],
      { certificates: [...CERTIFICATES, { names: ['*.in.test'] }], acme: { dns_hook: ['x'] } },
      [],
    ],
    [
      'a label too many',
      [{ names: ['a.b.in.test'] }, WWW, SHOP],
      { certificates: [...CERTIFICATES, { names: ['*.in.test'] }], acme: { dns_hook: ['x'] } },
      [/a\.b\.in\.test, and no certificate/, /no site of the web servers has the name \*\.in\.test/],
    ],
  ])('%s', (_, sites, options, expected) => {
    const found = warnings(sites, options)
    expect(found).toHaveLength(expected.length)
    for (const [i, pattern] of expected.entries()) expect(found[i]).toMatch(pattern)
  })
})

describe('the probes of a site', () => {
  const probes = (sites: readonly ServedSite[], options: object = {}) =>
    (haproxy.exposes?.(contextOf(options, sites)) ?? []).flatMap((one) => (one.type === 'probe' ? [[one.name, one.url, one.status]] : []))

  it('are sent for each site that a certificate covers', () => {
    expect(probes([WWW, SHOP, { names: ['new.test'] }])).toEqual([
      ['www.test', 'https://127.0.0.1/', undefined],
      ['shop.test', 'https://127.0.0.1/', undefined],
    ])
  })

  it('ask for the path and the status of the web server’s site, or of the balancer’s', () => {
    const shop = { ...SHOP, probe: { path: '/login', status: 401 } }
    expect(probes([WWW, shop])).toEqual([
      ['www.test', 'https://127.0.0.1/', undefined],
      ['shop.test', 'https://127.0.0.1/login', 401],
    ])
    const sites = [{ names: ['shop.test'], probe: { path: '/own' } }, { names: ['www.test'] }]
    expect(probes([WWW, shop], { sites, probe: { path: '/all', status: 204 } })).toEqual([
      ['shop.test', 'https://127.0.0.1/own', 200],
      ['www.test', 'https://127.0.0.1/all', 204],
    ])
  })

  it('are targets of the monitoring', () => {
    const exposed = (haproxy.exposes?.(contextOf({}, [{ ...WWW, probe: { path: '/login', status: 401 } }])) ?? []).map(
      (one): Exposed => ({ ...one, host: 'lb-01', role: 'haproxy-tls' }),
    )
    const context = { options: { probes: [] }, exposed, site: { withRole: () => [] } } as never
    expect(probeTargets(context)).toEqual([
      { module: 'https-www.test', target: 'https://127.0.0.1/login', labels: { job: 'site', host: 'lb-01', instance: 'www.test' } },
    ])
  })
})

describe('the expected response of a site', () => {
  const MONITOR = host('mon-01', '192.0.2.50')
  const probes = (options: object, sites: readonly ServedSite[] = [WWW, SHOP]) => {
    const context = contextOf(options, sites)
    const withRole = (role: string) => (role === 'monitoring' ? [MONITOR] : [LB])
    return (haproxy.exposes?.({ ...context, site: { ...context.site, withRole } }) ?? []).flatMap((one) =>
      one.type === 'probe' ? [[one.name, new URL(one.url).pathname, one.status]] : [],
    )
  }
  const SHOP_ONLY = [{ names: ['shop.test'] }]
  const users = { ann: new Secret('correct horse') }

  it.each<[object, string, number | undefined]>([
    [{ sites: [{ names: ['shop.test'], redirect: 'https://www.test' }] }, '/', 301],
    [{ sites: [{ names: ['shop.test'], maintenance: true }] }, '/', 503],
    [{ sites: [{ names: ['shop.test'], maintenance: { allow: ['192.0.2.0/24'] } }] }, '/', undefined],
    [{ sites: [{ names: ['shop.test'], maintenance: false }], maintenance: true }, '/', undefined],
    [{ sites: SHOP_ONLY, maintenance: true }, '/', 503],
    [{ sites: SHOP_ONLY, users }, '/', 401],
    [{ sites: SHOP_ONLY, users, probe: { path: '/login?a', status: 200 } }, '/login', 401],
    [{ sites: SHOP_ONLY, users, probe: { path: '/free' }, locations: { '/free': { public: true } } }, '/free', 200],
    [{ sites: SHOP_ONLY, allow: ['10.0.0.0/8'], users, probe: { path: '/login', status: 200 } }, '/', undefined],
    [{ sites: SHOP_ONLY, allow: ['192.0.2.0/24'], probe: { path: '/login', status: 200 } }, '/login', 200],
    [{ sites: SHOP_ONLY, probe: { path: '/old' }, redirects: { '/old': { to: '/new', status: 308 } } }, '/old', 308],
    [{ sites: SHOP_ONLY, probe: { path: '/oldest' }, redirects: { '/old/**': '/new' } }, '/oldest', 200],
  ])('is what the balancer answers itself: %o', (options, path, status) => {
    expect(probes(options)).toEqual([['shop.test', path, status]])
  })

  it.each([{ redirect: 'https://www.test' }, { probe: { path: '/any' } }])('is that of an exact name before a wildcard with %o', (wild) => {
    const sites = [
      { names: ['*.shop.test'], ...wild },
      { names: ['eu.shop.test'], probe: { path: '/eu' } },
    ]
    expect(probes({ sites })).toEqual([['eu.shop.test', '/eu', 200]])
  })

  it('is verified on the balancer, which is outside of the allowed networks', () => {
    const checks = haproxy.verify?.(contextOf({ sites: [{ names: ['shop.test'], maintenance: { allow: ['192.0.2.0/24'] } }] }, [SHOP]))
    expect(String(checks?.find(({ name }) => name.startsWith('shop.test'))?.script)).toContain("'^HTTP/1[.][01] (503) '")
  })

  it('causes no warning for names that are redirected, and for groups of other sites', () => {
    const found: string[] = []
    const sites = [{ names: ['www.test'] }, { names: ['test.test', 'shop.test'], redirect: 'https://www.test' }]
    const context = contextOf({ sites }, [{ names: ['www.test'] }])
    haproxy.resources({ ...unknownIdentities, ...context, exposed: [], facts: {}, warn: (what: string) => found.push(what) } as never)
    expect(found).toEqual([])
  })
})
