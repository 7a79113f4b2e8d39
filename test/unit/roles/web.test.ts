import { describe, expect, it } from 'vitest'
import haproxy from '../../../roles/haproxy-tls/role.ts'
import nginx from '../../../roles/nginx/role.ts'
import { Problem } from '../../../src/problem.ts'
import { bytesOf, type Content, isKnown, shownText } from '../../../src/resource/kind/content.ts'
import { keyOf, type Resource } from '../../../src/resource/kind/kind.ts'
import type { Facts, Flow, HostContext, HostView } from '../../../src/role/role.ts'
import { host, unknownIdentities } from './context.ts'

const LB = host('lb-01', '10.0.0.11', 'fd00::11')
const WEB = [host('web-01', '10.0.0.12', 'fd00::12'), host('web-02', 'fd00::13')]
const groups: Record<string, readonly HostView[]> = { load_balancers: [LB], web: WEB }
const facts = { distribution: 'debian', release: '12' } as Facts

const flow = (to: string, from: Flow['from'], service = 'site'): Flow => ({
  host: to,
  role: 'nginx',
  service,
  port: 8443,
  protocol: 'tcp',
  encrypted: false,
  from,
})
const fromBalancer = [{ name: 'lb-01', addresses: LB.addresses }]
const FLOWS = [flow('web-01', fromBalancer), flow('web-02', fromBalancer), flow('web-01', 'anyone', 'ssh')]

const context = <Options>(of: HostView, options: Options, more: Partial<HostContext<Options>> = {}): HostContext<Options> => ({
  host: of,
  options,
  site: { hosts: [LB, ...WEB], group: (name) => groups[name] ?? [], withRole: () => [LB] },
  facts,
  flows: FLOWS,
  exposed: [],
  ...unknownIdentities,
  ...more,
})

const contentOf = (resources: readonly Resource[], path: string): Content => {
  const found = resources.find((resource) => keyOf(resource) === `file:${path}`)
  if (found === undefined) throw new Error(`no ${path}`)
  return (found.spec as { content: Content }).content
}
const textOf = (resources: readonly Resource[], path: string): string => shownText(contentOf(resources, path)) ?? ''

describe('nginx', () => {
  const options = nginx.options.parse({ content: 'site' })
  const page = { type: 'local', path: '/p/index.html', sha256: 'a'.repeat(64), size: 1, open: () => Buffer.from('a') } as const
  const files = () => [{ path: 'index.html', content: page }]
  const declared = (written: object) => nginx.resources(context(WEB[0] as HostView, nginx.options.parse(written), { files }))
  const resources = declared({ content: 'site' })
  const main = textOf(resources, '/etc/nginx/nginx.conf')

  it('declares certificate, content and configuration before the service', () => {
    expect(resources.map(keyOf)).toEqual([
      'package:nginx',
      'package:openssl',
      'directory:/etc/ssl/nginx',
      'file:/etc/ssl/nginx/edge-authority.pem',
      'certificate:/etc/ssl/nginx/edge.pem',
      'directory:/var/www/provision',
      'directory:/var/www/provision/site',
      'release:/var/www/provision/site',
      'unit:web.slice',
      'directory:/etc/nginx/provision',
      'unit:nginx.service.d/provision.conf',
      'file:/etc/nginx/nginx.conf',
      'file:/etc/nginx/provision/site.conf',
      'service:nginx.service',
    ])
  })

  it('includes its own files by name only', () => {
    expect(main.match(/include .*/g)).toEqual(['include /etc/nginx/mime.types;', 'include /etc/nginx/provision/site.conf;'])
  })

  it('admits balancers by certificate and address, and names the serving host in a header', () => {
    expect(main.match(/^ {4}\S+ 1;$/gm)).toEqual(['    127.0.0.0/8 1;', '    ::1 1;', '    10.0.0.11 1;', '    fd00::11 1;'])
    expect(main.match(/"CN=[^"]*"/g)).toEqual(['"CN=lb-01.edge.provision.internal"', '"CN=web-01.edge.provision.internal"'])
    expect(textOf(resources, '/etc/nginx/provision/site.conf')).toContain('add_header X-Served-By web-01 always;')
  })

  it('opens the configured port to the group of the balancers', () => {
    const listens = nginx.listens?.({ ...context(WEB[0] as HostView, nginx.options.parse({ content: 'site', port: 8888 })) })
    expect(listens).toEqual([
      { service: 'site', port: 8888, protocol: 'tcp', from: [{ group: 'load_balancers' }], encrypted: true, sites: [{ names: [] }] },
    ])
  })

  it('reports an empty group of balancers', () => {
    const wrong = nginx.options.parse({ content: 'site', balancers: 'load_balancer' })
    expect(nginx.check?.(context(WEB[0] as HostView, wrong))?.[0]?.path).toEqual(['balancers'])
    expect(nginx.check?.(context(WEB[0] as HostView, options))).toEqual([])
  })

  it('rolls back without reading the content of the project', () => {
    const gone = () => {
      throw new Error('looked')
    }
    const back = nginx.resources(
      context(WEB[0] as HostView, nginx.options.parse({ content: 'site', release: 'previous' }), { files: gone }),
    )
    expect(back.map(keyOf)).toContain('release:/var/www/provision/site')
  })

  it('serves no site for unknown host names', () => {
    const named = [{ name: 'shop', hosts: ['shop.test'], content: 'shop' }]
    expect(main).not.toContain('server_name _;')
    const own = textOf(declared({ sites: named }), '/etc/nginx/nginx.conf')
    expect(own).toContain('server_name _;')
    expect(textOf(declared({ sites: named }), '/etc/nginx/provision/shop.conf')).not.toContain('default_server')
  })

  it('sets the caching time by pattern', () => {
    const site = { name: 'shop', content: 'shop', cache: { '*.css': 60, '/assets/**': 'forever', 'sw.js': 'never' } }
    const text = textOf(declared({ sites: [site] }), '/etc/nginx/provision/shop.conf')
    const rules = [...text.matchAll(/"~(\S+)" "([^"]+)";/g)].map(([, pattern = '', value]) => [new RegExp(pattern), value] as const)
    const kept = (uri: string) => rules.find(([pattern]) => pattern.test(uri))?.[1]
    expect(['/a.css', '/x/a.css', '/a.cssx', '/assets/a/b.png', '/x/assets/b.png', '/sw.js'].map(kept)).toEqual([
      'public, max-age=60',
      'public, max-age=60',
      undefined,
      'public, max-age=31536000, immutable',
      undefined,
      'no-store',
    ])
  })

  it('does not compress responses of applications, and does not retry their requests', () => {
    const text = textOf(declared({ sites: [{ name: 'api', proxy: 'http://127.0.0.1:3000' }] }), '/etc/nginx/provision/api.conf')
    expect(text).not.toMatch(/gzip|brotli/)
    expect(text).toContain('proxy_next_upstream off;')
  })

  it('runs an application with its secrets in a separate file', () => {
    const app = { command: '/usr/bin/node server.js', port: 3000, environment: { KEY: 'a "quoted" $poison' }, memory: '256m' }
    const all = declared({ sites: [{ name: 'api', app }] })
    const variables = contentOf(all, '/etc/provision/provision-app-api.env')
    expect(shownText(variables)).toBe('KEY=•••\n')
    expect(Buffer.from(bytesOf(variables)).toString()).toBe('KEY="a \\"quoted\\" \\$poison"\n')
    const [unit] = all.flatMap((one) =>
      keyOf(one) === 'unit:provision-app-api.service' ? [one.spec as { file: { content: Content } }] : [],
    )
    const text = unit && shownText(unit.file.content)
    expect(text).toContain('MemoryMax=256M\n')
    expect(text).not.toContain('poison')
  })

  it.each<[string, object, readonly (readonly PropertyKey[])[]]>([
    ['no site', {}, [[]]],
    ['a site with proxy and redirect', { sites: [{ name: 'a', redirect: 'https://a.test', proxy: 'http://127.0.0.1:1' }] }, [['sites', 0]]],
    ['a site without content, proxy and app', { sites: [{ name: 'a' }] }, [['sites', 0]]],
    [
      'two sites with one name',
      { sites: ['a.test', 'b.test'].map((host) => ({ name: 'a', hosts: [host], content: 'x' })) },
      [['sites', 1, 'name']],
    ],
    ['two sites for all host names', { content: 'x', sites: [{ name: 'a', content: 'x' }] }, [['sites', 0]]],
    [
      'two sites with one host name',
      { sites: ['a', 'b'].map((name) => ({ name, hosts: ['x.test'], content: 'x' })) },
      [['sites', 1, 'hosts']],
    ],
  ])('reports %s', (_, written, paths) => {
    expect(nginx.check?.(context(WEB[0] as HostView, nginx.options.parse(written)))?.map(({ path }) => path)).toEqual(paths)
  })

  it.each([
    [{ name: 'A' }],
    [{ name: 'a', hosts: ['a.test; return 200'] }],
    [{ name: 'a', proxy: 'http://127.0.0.1/path' }],
    [{ name: 'a', headers: { X: '$http_cookie' } }],
    [{ name: 'a', errors: { '404': '/a b' } }],
    [{ name: 'a', errors: { '404': '/a;return' } }],
    [{ name: 'a', fallback: '/a{' }],
    [{ name: 'a', index: 'a;b' }],
    [{ name: 'a', health: '/a"b' }],
    [{ name: 'a', cache: { '(x': 1 } }],
    [{ name: 'a', app: { command: 'node', port: 1 } }],
  ])('rejects the site %o', (site) => {
    expect(nginx.options.safeParse({ sites: [site] }).success).toBe(false)
  })
})

describe('haproxy-tls', () => {
  const servers = (...addresses: readonly string[]) =>
    ['check', 'once'].flatMap((section) =>
      addresses.map((address, i) => {
        const name = `web-0${i + 1}.edge.provision.internal`
        const rest = section === 'check' ? `check-sni ${name} verifyhost ${name}` : `verifyhost ${name} track web/web-0${i + 1}`
        return `    server web-0${i + 1} ${address}:8443 sni str(${name}) ${rest} tcp-ut 3s`
      }),
    )

  const options = haproxy.options.parse({ certificates: [{ names: ['www.example.org', 'example.org'] }, { names: ['shop.example.org'] }] })
  const resources = haproxy.resources(context(LB, options))
  const text = textOf(resources, '/etc/haproxy/haproxy.cfg')

  it('starts with placeholders and orders certificates afterwards', () => {
    expect(resources.map(keyOf)).toEqual([
      'package:haproxy',
      'package:openssl',
      'package:socat',
      'directory:/etc/ssl/haproxy',
      'directory:/etc/ssl/haproxy/edge',
      'file:/etc/ssl/haproxy/edge/authority.pem',
      'certificate:/etc/ssl/haproxy/edge/client.pem',
      'directory:/etc/haproxy/pages',
      'certificate:/etc/ssl/haproxy/www.example.org.pem#placeholder',
      'certificate:/etc/ssl/haproxy/shop.example.org.pem#placeholder',
      'former-certificates:/etc/haproxy/former-certificates.list',
      'file:/etc/haproxy/pages/503.html',
      'file:/etc/haproxy/certificates.list',
      'file:/etc/haproxy/haproxy.cfg',
      'unit:balancer.slice',
      'unit:haproxy.service.d/provision.conf',
      'service:haproxy.service',
      'file:/usr/local/sbin/provision-revocation',
      'unit:provision-revocation.service',
      'unit:provision-revocation.timer',
      'service:provision-revocation.timer',
      'certificate:/etc/ssl/haproxy/www.example.org.pem',
      'certificate:/etc/ssl/haproxy/shop.example.org.pem',
    ])
  })

  it('answers challenges with a thumbprint that may not be known yet', () => {
    expect(isKnown(contentOf(resources, '/etc/haproxy/haproxy.cfg'))).toBe(false)
    expect(text).toContain(
      'lf-string "%[path,field(-1,/)].‹made in this run›" if { path_reg ^/\\.well-known/acme-challenge/[-_A-Za-z0-9]+$ }',
    )
  })

  it('balances over the hosts that admit it, with IPv6 in brackets', () => {
    expect(text.match(/^ {4}server web.*$/gm)).toEqual(servers('10.0.0.12', '[fd00::13]'))
  })

  it('listens on IPv4 and IPv6 with every certificate', () => {
    expect(text.match(/^ {4}bind :.*$/gm)).toEqual([
      '    bind :80',
      '    bind :::80 v6only',
      ...['bind :443', 'bind :::443 v6only'].map(
        (bind) => `    ${bind} ssl crt-list /etc/haproxy/former-certificates.list crt-list /etc/haproxy/certificates.list alpn h2,http/1.1`,
      ),
    ])
    expect(textOf(resources, '/etc/haproxy/certificates.list')).toBe(
      '/etc/ssl/haproxy/www.example.org.pem\n/etc/ssl/haproxy/shop.example.org.pem\n',
    )
  })

  it.each([
    ['no host serves a site', []],
    ['the web servers admit only other balancers', [flow('web-01', [{ name: 'lb-02', addresses: ['10.0.0.20'] }])]],
    ['only another group serves the site', [flow('lb-01', 'anyone')]],
  ])('is an input error if %s', (_, flows) => {
    expect(() => haproxy.resources(context(LB, options, { flows }))).toThrow(Problem)
  })

  it('uses the first address of a server in a family of the balancer', () => {
    const balancer = host('lb-01', 'fd00::11')
    const at = textOf(haproxy.resources(context(balancer, options)), '/etc/haproxy/haproxy.cfg')
    expect(at.match(/^ {4}server web.*$/gm)).toEqual(servers('[fd00::12]', '[fd00::13]'))
  })

  it.each([
    ['has an address of another family', host('web-01', 'fd00::12')],
    ['has a name only', host('web-01', 'web-01.example.org')],
  ])('is an input error if a server %s', (_, server) => {
    const site = { hosts: [], group: () => [server], withRole: () => [] }
    expect(() => haproxy.resources(context(host('lb-01', '10.0.0.11'), options, { site }))).toThrow(
      /web-01 has no address in a family of lb-01/,
    )
  })

  it.each([
    ['two certificates with one file', { certificates: [{ names: ['a.test', 'b.test'] }, { names: ['A.test'] }] }, ['certificates', 1]],
    ['an empty group', { certificates: [{ names: ['a.test'] }], backend: 'webs' }, ['backend']],
    ['a wildcard without DNS-01', { certificates: [{ names: ['a.test', '*.a.test'] }] }, ['certificates', 0, 'names', 1]],
    ['a site without a certificate', { certificates: [{ names: ['a.test'] }], sites: [{ names: ['b.test'] }] }, ['sites', 0, 'names', 0]],
    [
      'a name in two sites',
      { certificates: [{ names: ['a.test'] }], sites: [{ names: ['a.test'] }, { names: ['a.test'] }] },
      ['sites', 1, 'names', 0],
    ],
  ])('reports %s', (_, written, path) => {
    expect(haproxy.check?.(context(LB, haproxy.options.parse(written)))?.map((fault) => fault.path)).toEqual([path])
  })

  it('accepts names that a wildcard certificate covers', () => {
    const covered = { certificates: [{ names: ['*.a.test'] }], acme: { dns_hook: ['./dns.sh'] }, sites: [{ names: ['b.a.test'] }] }
    expect(haproxy.check?.(context(LB, haproxy.options.parse(covered)))).toEqual([])
  })

  it('sends each name to its site, and no other name to a site', () => {
    const two = haproxy.options.parse({
      certificates: [{ names: ['a.test', 'b.test'] }],
      balance: 'leastconn',
      sites: [
        { names: ['a.test'], sticky: true },
        { names: ['b.test'], balance: 'source' },
      ],
    })
    const written = textOf(haproxy.resources(context(LB, two)), '/etc/haproxy/haproxy.cfg')
    expect(written.match(/^ {4}(use_backend|default_backend|balance) .*$/gm)?.map((line) => line.trim())).toEqual([
      'use_backend to-once if !METH_GET',
      'use_backend web.a.test if { req.hdr(host),field(1,:),lower -m str a.test }',
      'use_backend web.b.test if { req.hdr(host),field(1,:),lower -m str b.test }',
      'default_backend nobody',
      'use_backend web.a.test.once if { req.hdr(host),field(1,:),lower -m str a.test }',
      'use_backend web.b.test.once if { req.hdr(host),field(1,:),lower -m str b.test }',
      'default_backend nobody',
      'balance leastconn',
      'balance leastconn',
      'balance source',
      'balance source',
    ])
    expect(written.match(/ cookie web-0\d/g)).toEqual([1, 2].flatMap(() => [' cookie web-01', ' cookie web-02']))
  })

  it('drains its web servers, and no other hosts', () => {
    expect(String(haproxy.drains?.(context(LB, options), WEB[0] as HostView)?.out)).toContain('server=web-01')
    expect(haproxy.drains?.(context(LB, options), LB)).toBeUndefined()
    const two = haproxy.options.parse({
      certificates: [{ names: ['a.test', 'b.test'] }],
      sites: [{ names: ['a.test'] }, { names: ['b.test'], backend: 'load_balancers' }],
    })
    for (const server of [...WEB, LB]) expect(haproxy.drains?.(context(LB, two), server)).toBeDefined()
  })

  it('sends requests other than GET to one server, once, unless retries are enabled', () => {
    expect(text.match(/^ {4}(use_backend|default_backend) .*$/gm)).toEqual([
      '    use_backend to-once if !METH_GET',
      '    default_backend web',
      '    default_backend web.once',
    ])
    const retrying = haproxy.options.parse({ certificates: [{ names: ['a.test'] }], retry_posts: true })
    expect(textOf(haproxy.resources(context(LB, retrying)), '/etc/haproxy/haproxy.cfg')).not.toMatch(/once$/m)
  })

  it('writes no line with more words than HAProxy accepts', () => {
    const names = Array.from({ length: 100 }, (_, i) => `n${i}.test`)
    const except = names.map((_, i) => `192.0.2.${i}`)
    const many = { certificates: names.map((name) => ({ names: [name] })), sites: [{ names }], rate_limit: { except } }
    const written = textOf(haproxy.resources(context(LB, haproxy.options.parse(many))), '/etc/haproxy/haproxy.cfg')
    for (const line of written.split('\n')) expect(line.trim().split(' ').length).toBeLessThan(64)
    for (const name of [...names, ...except]) expect(written).toMatch(new RegExp(` ${name}( |$)`, 'm'))
  })

  it('adds, replaces and removes headers', () => {
    const headers = { 'x-frame-options': 'DENY', 'X-Test': '100%', 'Referrer-Policy': false, 'X-Home': '$HOME\\' }
    const written = textOf(
      haproxy.resources(context(LB, haproxy.options.parse({ certificates: [{ names: ['a.test'] }], headers }))),
      '/etc/haproxy/haproxy.cfg',
    )
    expect(written).toContain('set-header X-Frame-Options "DENY"')
    expect(written).toContain('set-header X-Test "100%%"')
    // HAProxy would expand variables of its environment.
    expect(written).toContain('set-header X-Home "\\$HOME\\\\"')
    expect(written).toContain('del-header Referrer-Policy')
  })

  it('rejects error pages with an unknown status or above the size limit', () => {
    const given = haproxy.options.parse({ certificates: [{ names: ['a.test'] }], error_pages: 'pages' })
    const page = (path: string, size: number) => [
      { path, content: { type: 'local', path, sha256: '', size, open: () => Buffer.from('') } as const },
    ]
    for (const [path, size] of [
      ['oops.html', 1],
      ['503.html', 20_000],
    ] as const)
      expect(() => haproxy.resources(context(LB, given, { files: () => page(path, size) }))).toThrow(Problem)
  })

  it.each([
    [{}],
    [{ certificates: [] }],
    [{ certificates: [{ names: ['www.*.example.org'] }] }],
    [{ certificates: [{ names: ['a.test'] }], headers: { 'X Y': 'a' } }],
    [{ certificates: [{ names: ['a.test'] }], headers: { X: 'a"b' } }],
    [{ certificates: [{ names: ['a.test'] }], extra: { http: ['a\nb'] } }],
    [{ certificates: [{ names: ['a.test'] }], tls: 'old' }],
    [{ certificates: [{ names: ['a.test'] }], health_path: '/a b' }],
    [{ certificates: [{ names: ['a.test'] }], health_path: '/a#b' }],
    [{ certificates: [{ names: ['a.test'] }], acme: { contact: 'nobody' } }],
    [{ certificates: [{ names: ['a.test'] }], acme: { cafile: 'x' } }],
  ])('rejects %o', (written) => {
    expect(haproxy.options.safeParse(written).success).toBe(false)
  })
})
