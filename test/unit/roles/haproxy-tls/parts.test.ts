import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import haproxy from '../../../../roles/haproxy-tls/role.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { type Balancer, contextOf, declaredBy, hasHaproxy, startBalancer, textOf } from './balancer.ts'

const basic = (user: string, password: string): string => `Authorization: Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
const NEAR = '192.0.2.7'
const FAR = '203.0.113.7'
const METHODS = ['GET', 'POST'] as const

const answer: Parameters<typeof startBalancer>[0]['answer'] = (_, response, server) =>
  void response.writeHead(200, { 'Content-Length': server.length }).end(server)

const CERTIFICATES = [{ names: ['www.site.test', 'site.test', 'shop.test', 'down.test', '*.wild.test'] }]

describe.runIf(hasHaproxy)('a site', () => {
  let balancer: Balancer
  beforeAll(async () => {
    const options = {
      certificates: CERTIFICATES,
      acme: { dns_hook: ['x'] },
      sites: [
        {
          names: ['www.site.test'],
          backend: 'web-01',
          locations: {
            '/api': { backend: 'web-02' },
            '/api/private': { users: { ann: new Secret('correct horse') } },
            '/admin': { users: { ann: new Secret('correct horse'), bob: new Secret('b') }, allow: ['192.0.2.0/24'] },
            '/admin/hooks': { public: true },
            '/office': { allow: ['192.0.2.0/24', '2001:db8::/32'] },
          },
          redirects: {
            '/about.html': '/about',
            '/blog/**': 'https://blog.test/**',
            '/old/**': '/new/**',
            '/gone/**': { to: '/', status: 302 },
            '/api/moved': { to: '/api/v2', status: 308 },
            '/up/**': '/**',
          },
        },
        { names: ['site.test', '*.wild.test'], redirect: 'https://www.site.test' },
        { names: ['shop.test'], users: { eve: new Secret('x y') }, locations: { '/free': { public: true } } },
        { names: ['down.test'], maintenance: { allow: ['192.0.2.0/24'], retry_after_seconds: 77 } },
      ],
    }
    balancer = await startBalancer({ options, answer })
  })
  afterAll(() => balancer?.stop())
  beforeEach(() => void balancer.received.splice(0))
  const status = async (path: string, more: Parameters<Balancer['ask']>[0] = {}) => (await balancer.ask({ path, ...more })).status

  it.each(METHODS)('sends %s requests for a path to another group', async (method) => {
    for (const path of ['/', '/apis', '/ap', '/a/api']) expect((await balancer.ask({ method, path })).body).toBe('web-01')
    for (const path of ['/api', '/api/', '/api/x?y=1', '//api', '/%61pi/x', '/api/public'])
      expect((await balancer.ask({ method, path })).body).toBe('web-02')
    // The server gets the path as the visitor sent it.
    expect(balancer.received.map(({ url }) => url)).toContain('/%61pi/x')
  })

  it.each(METHODS)('asks for passwords, with every spelling of a path (%s)', async (method) => {
    for (const path of ['/api/private', '/api/private/x', '/api//private', '/api/%70rivate', '/api%2fprivate', '//api///private/'])
      expect([path, await status(path, { method })]).toEqual([path, 401])
    expect(balancer.received).toEqual([])
    expect(await status('/api/private', { method, headers: [basic('ann', 'correct horse')] })).toBe(200)
    expect(await status('/api/private', { method, headers: [basic('ann', 'Correct horse')] })).toBe(401)
    expect(await status('/api/private', { method, headers: [basic('bob', 'b')] })).toBe(401)
    for (const path of ['/x/../api/private', '/api/./private', '/%2e%2e/api', '/api/private%zz', '/api\\private', '/api/%5cprivate'])
      expect([path, await status(path, { method })]).toEqual([path, 400])
  })

  it('asks for an address and a password where both are declared', async () => {
    const headers = [basic('bob', 'b')]
    expect(await status('/admin', { from: NEAR, headers })).toBe(200)
    expect(await status('/admin', { from: FAR, headers })).toBe(403)
    expect(await status('/admin', { from: NEAR })).toBe(401)
    expect(await status('/admin/hooks/x', { from: FAR })).toBe(200)
    expect(await status('/admin/hooksx', { from: FAR })).toBe(403)
    expect(await status('/office', { from: '2001:db8::7' })).toBe(200)
    expect(await status('/office', { from: '2001:db9::7' })).toBe(403)
    const { headers: challenge } = await balancer.ask({ path: '/admin', from: NEAR })
    expect(challenge.get('www-authenticate')).toMatch(/^Basic realm=/)
  })

  it('is protected as a whole, except public parts', async () => {
    const shop = { host: 'shop.test' }
    expect(await status('/', shop)).toBe(401)
    expect(await status('/', { ...shop, headers: [basic('eve', 'x y')] })).toBe(200)
    expect(await status('/', { ...shop, headers: [basic('ann', 'correct horse')] })).toBe(401)
    expect(await status('/free/x', shop)).toBe(200)
  })

  it.each<[string, number, string]>([
    ['/about.html', 301, '/about'],
    ['/about.html?a=1&b', 301, '/about?a=1&b'],
    ['/blog', 301, 'https://blog.test'],
    ['/blog/', 301, 'https://blog.test'],
    ['/blog/2026/a%20b?c', 301, 'https://blog.test/2026/a%20b?c'],
    ['/blog//evil.test', 301, 'https://blog.test/evil.test'],
    ['/%62log/x', 301, 'https://blog.test'],
    ['/old/a/b', 301, '/new/a/b'],
    ['/old', 301, '/new'],
    ['/gone/x/y', 302, '/'],
    ['/api/moved', 308, '/api/v2'],
    ['/up//evil.test/', 301, '/evil.test/'],
    ['/up///evil.test/%0d%0aSet-Cookie:x', 301, '/evil.test/%0d%0aSet-Cookie:x'],
    ['/up', 301, '/'],
  ])('redirects %s with status %i to %s', async (path, code, location) => {
    for (const method of METHODS) {
      const { status: got, headers } = await balancer.ask({ path, method })
      expect([got, headers.get('location')]).toEqual([code, location])
    }
    expect(balancer.received).toEqual([])
  })

  it('redirects nothing else', async () => {
    for (const path of ['/about.html/x', '/blogs', '/about', '/api/moved/on', '/healthz'])
      expect([path, await status(path)]).toEqual([path, 200])
  })

  it('without web servers redirects every request for its names, with path and query', async () => {
    for (const host of ['site.test', 'any.wild.test']) {
      for (const method of METHODS) {
        const { status: got, headers } = await balancer.ask({ host, path: '/a/b?c=1', method })
        expect([got, headers.get('location')]).toEqual([301, 'https://www.site.test/a/b?c=1'])
        expect(headers.get('strict-transport-security')).toBeDefined()
      }
    }
    expect(balancer.received).toEqual([])
  })

  it('in maintenance shows its page to all visitors outside the permitted networks', async () => {
    for (const method of METHODS) {
      const { status: got, headers, body } = await balancer.ask({ host: 'down.test', from: FAR, method })
      expect([got, headers.get('retry-after'), headers.get('content-type')]).toEqual([503, '77', 'text/html; charset=utf-8'])
      expect(body).toContain('<h1>Back soon</h1>')
    }
    expect(balancer.received).toEqual([])
    for (const method of METHODS) expect(await status('/', { host: 'down.test', from: NEAR, method })).toBe(200)
    expect(await status('/')).toBe(200)
  })

  it('has sections with the health of every group', async () => {
    const names = [...(await balancer.states()).keys()].filter((name) => /^web.*\/web/.test(name))
    expect(names).toEqual(
      expect.arrayContaining(['web-01.www.site.test/web-01', 'web-02.www.site.test:api/web-02', 'web.shop.test/web-01']),
    )
  })
})

describe.runIf(hasHaproxy)('a share of the visitors', () => {
  it('is served by another group, and has the same visitors each time', async () => {
    const options = { backend: 'web-01', canary: { backend: 'web-02', percent: 30 }, rate_limit: false }
    const balancer = await startBalancer({ options, answer })
    try {
      const counts = new Map<string, number>()
      for (let i = 0; i < 40; i++) {
        const from = `198.51.100.${i}`
        const bodies = [(await balancer.ask({ from })).body, (await balancer.ask({ from, method: 'POST' })).body]
        expect(new Set(bodies).size).toBe(1)
        counts.set(bodies[0] ?? '', (counts.get(bodies[0] ?? '') ?? 0) + 1)
      }
      // The addresses are fixed, and so is the result.
      expect(counts.get('web-02')).toBeGreaterThan(4)
      expect(counts.get('web-02')).toBeLessThan(20)
    } finally {
      await balancer.stop()
    }
  })

  it('follows the weights of single servers', async () => {
    const balancer = await startBalancer({ options: { weights: { 'web-02': 25 }, slow_start_seconds: 0 }, answer })
    try {
      const bodies: string[] = []
      for (let i = 0; i < 50; i++) bodies.push((await balancer.ask({ method: i % 2 === 0 ? 'GET' : 'POST' })).body)
      expect(bodies.filter((one) => one === 'web-02').length).toBeGreaterThanOrEqual(8)
      expect(bodies.filter((one) => one === 'web-02').length).toBeLessThanOrEqual(12)
    } finally {
      await balancer.stop()
    }
  })
})

describe.runIf(hasHaproxy)('all sites in maintenance', () => {
  it('show the page', async () => {
    const balancer = await startBalancer({ options: { maintenance: true }, answer })
    try {
      for (const method of METHODS) expect(await balancer.ask({ method })).toMatchObject({ status: 503 })
      expect((await balancer.ask()).headers.get('retry-after')).toBe('300')
      expect(balancer.received).toEqual([])
      // A web server can be repaired meanwhile: the balancer still checks it.
      expect((await balancer.states()).get('web/web-01')).toMatch(/^UP/)
    } finally {
      await balancer.stop()
    }
  })
})

describe('passwords of visitors', () => {
  const config = (options: object) =>
    declaredBy({ certificates: [{ names: ['www.site.test'] }], ...options }).find(({ id }) => id === '/etc/haproxy/haproxy.cfg')

  it('are on the host as digests, in a file for root only', () => {
    const declared = config({ users: { ann: new Secret('correct horse') } })
    expect(declared?.spec).toMatchObject({ mode: '600' })
    const text = textOf(declared === undefined ? [] : [declared], '/etc/haproxy/haproxy.cfg')
    expect(text).toMatch(/\nuserlist web\n {4}user ann password \$6\$[./0-9A-Za-z$]+\n/)
    expect(text).not.toContain('correct horse')
    expect(config({})?.spec).not.toMatchObject({ mode: '600' })
  })
})

describe('parts of a site', () => {
  const faults = (options: object): readonly string[] =>
    haproxy
      .check?.({
        ...contextOf(options),
        site: { ...contextOf(options).site, group: (name) => (name === 'none' ? [] : contextOf({}).site.group()) },
      })
      .map(({ path, what }) => `${path.join('.')}: ${what}`) ?? []
  const certificates = [{ names: ['a.test', 'b.test'] }]

  it.each<[object, string]>([
    [{ locations: { '/x': { backend: 'none' } } }, 'locations./x.backend: group none has no hosts'],
    [{ canary: { backend: 'none', percent: 1 } }, 'canary.backend: group none has no hosts'],
    [{ weights: { 'web-09': 1 } }, 'weights.web-09: web-09 is no web server of this site'],
    [{ weights: { 'web-01': 0, 'web-02': 0 } }, 'weights: all web servers of group web have the weight 0'],
    [{ locations: { '/x': {} }, redirects: { '/x/**': '/y' } }, 'locations./x: /x is a part of the site and redirected as well'],
    [
      { certificates, sites: [{ names: ['a.test'] }, { names: ['b.test'] }], weights: { x: 1 } },
      'weights.x: x is no web server of this site',
    ],
    [
      { certificates, sites: [{ names: ['a.test'] }, { names: ['b.test'] }], locations: { '/x': { backend: 'none' } } },
      'locations./x.backend: group none has no hosts',
    ],
    [
      { certificates, sites: [{ names: ['a.test'], locations: { '/x': {} } }], redirects: { '/x': '/y' } },
      'sites.0.locations./x: /x is a part of the site and redirected as well',
    ],
    [
      { certificates, sites: [{ names: ['a.test'], redirect: 'https://a.test' }] },
      'sites.0.redirect: https://a.test is a name of the site itself',
    ],
    [
      { certificates, sites: [{ names: ['a.test'], redirect: 'https://b.test', sticky: true }] },
      'sites.0.sticky: sticky has no effect, because the site redirects every request',
    ],
    [
      { certificates, sites: [{ names: ['a.test'], locations: { '/x': { backend: 'none' } } }] },
      'sites.0.locations./x.backend: group none has no hosts',
    ],
  ])('are refused as %o', (options, fault) => {
    expect(faults(options)).toEqual([fault])
  })

  it.each<[object, boolean]>([
    [{ locations: { '/a b': {} } }, false],
    [{ locations: { '/a/../b': {} } }, false],
    [{ locations: { '/': {} } }, false],
    [{ locations: { '/a/': {} } }, false],
    [{ locations: { '/a.b~c_d-e': {} } }, true],
    [{ redirects: { '/a': 'javascript:x' } }, false],
    [{ redirects: { '/a': { to: '/b', status: 200 } } }, false],
    [{ users: {} }, false],
    [{ users: { 'a b': 'x' } }, false],
    [{ allow: ['home'] }, false],
    [{ canary: { backend: 'b', percent: 101 } }, false],
    [{ weights: { a: 257 } }, false],
    [{ maintenance: { allow: ['x'] } }, false],
    [{ maintenance: { retry_after_seconds: 0 } }, false],
    [{ maintenance: false }, true],
  ])('%o', (options, isValid) => {
    expect(haproxy.options.safeParse({ certificates, ...options }).success).toBe(isValid)
  })
})
