import { describe, expect, it } from 'vitest'
import haproxy from '../../../roles/haproxy-tls/role.ts'
import nginx from '../../../roles/nginx/role.ts'
import { Problem } from '../../../src/problem.ts'
import { type Content, isKnown, shownText } from '../../../src/resource/content.ts'
import { keyOf, type Resource } from '../../../src/resource/kind.ts'
import type { Facts, Flow, HostContext, HostView } from '../../../src/role/role.ts'

const host = (name: string, ...addresses: string[]): HostView => ({ name, sshPort: 22, addresses, publicAddresses: addresses, groups: [] })
const LB = host('lb-01', '10.0.0.11', 'fd00::11')
const WEB = [host('web-01', '10.0.0.12', 'fd00::12'), host('web-02', 'fd00::13')]
const groups: Record<string, readonly HostView[]> = { load_balancers: [LB], web: WEB }
const facts = { distribution: 'debian', release: '12' } as Facts

const flow = (to: string, from: Flow['from'], service = 'site'): Flow => ({
  host: to,
  role: 'nginx',
  service,
  port: 8080,
  protocol: 'tcp',
  from,
})
const fromBalancer = [{ name: 'lb-01', addresses: LB.addresses }]
const FLOWS = [flow('web-01', fromBalancer), flow('web-02', fromBalancer), flow('web-01', 'anyone', 'ssh')]

const context = <Options>(of: HostView, options: Options, more: Partial<HostContext<Options>> = {}): HostContext<Options> => ({
  host: of,
  options,
  site: { hosts: [LB, ...WEB], group: (name) => groups[name] ?? [] },
  facts,
  flows: FLOWS,
  files: () => [],
  acmeAccount: () => ({ key: 'acme-account:letsencrypt', thumbprint: { later: 'thumbprint', get: () => undefined } }),
  warn: () => {},
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
  const files = () => [
    { path: 'css/dark/style.css', content: page },
    { path: 'index.html', content: page },
  ]
  const resources = nginx.resources(context(WEB[0] as HostView, options, { files }))

  it('lays the site before the service, each directory before what is in it', () => {
    const keys = resources.map(keyOf)
    expect(keys[0]).toBe('package:nginx')
    expect(keys.at(-1)).toBe('service:nginx.service')
    const order = [
      'directory:/var/www/provision/site/css',
      'directory:/var/www/provision/site/css/dark',
      'file:/var/www/provision/site/css/dark/style.css',
    ]
    expect(order.map((key) => keys.indexOf(key)).every((at, i, all) => at > (all[i - 1] ?? 0))).toBe(true)
  })

  it('includes our directory only', () => {
    expect(textOf(resources, '/etc/nginx/nginx.conf').match(/include .*/g)).toEqual([
      'include /etc/nginx/mime.types;',
      'include /etc/nginx/provision/*.conf;',
    ])
  })

  it('welcomes all addresses of the balancers, and says who served', () => {
    const text = textOf(resources, '/etc/nginx/provision/site.conf')
    expect(text.match(/^ {2}\S+ 1;$/gm)).toEqual(['  127.0.0.0/8 1;', '  ::1 1;', '  10.0.0.11 1;', '  fd00::11 1;'])
    expect(text).toContain('add_header X-Served-By web-01 always;')
  })

  it('lets in the group of the balancers, at the port of the option', () => {
    const listens = nginx.listens?.({ ...context(WEB[0] as HostView, nginx.options.parse({ content: 'site', port: 8888 })) })
    expect(listens).toEqual([{ service: 'site', port: 8888, protocol: 'tcp', from: [{ group: 'load_balancers' }] }])
  })

  it('does not take an empty group for nobody', () => {
    const wrong = nginx.options.parse({ content: 'site', balancers: 'load_balancer' })
    expect(nginx.check?.(context(WEB[0] as HostView, wrong))?.[0]?.path).toEqual(['balancers'])
    expect(nginx.check?.(context(WEB[0] as HostView, options))).toEqual([])
  })
})

describe('haproxy-tls', () => {
  const options = haproxy.options.parse({ certificates: [{ names: ['www.example.org', 'example.org'] }, { names: ['shop.example.org'] }] })
  const resources = haproxy.resources(context(LB, options))
  const text = textOf(resources, '/etc/haproxy/haproxy.cfg')

  it('starts on placeholders and orders certificates once it runs', () => {
    expect(resources.map(keyOf)).toEqual([
      'package:haproxy',
      'package:openssl',
      'directory:/etc/ssl/haproxy',
      'certificate:/etc/ssl/haproxy/www.example.org.pem#placeholder',
      'certificate:/etc/ssl/haproxy/shop.example.org.pem#placeholder',
      'file:/etc/haproxy/haproxy.cfg',
      'service:haproxy.service',
      'certificate:/etc/ssl/haproxy/www.example.org.pem',
      'certificate:/etc/ssl/haproxy/shop.example.org.pem',
    ])
  })

  it('answers the authority with a thumbprint that may not be known yet', () => {
    expect(isKnown(contentOf(resources, '/etc/haproxy/haproxy.cfg'))).toBe(false)
    expect(text).toContain(
      'lf-string "%[path,field(-1,/)].‹made in this run›" if { path_reg ^/\\.well-known/acme-challenge/[-_A-Za-z0-9]+$ }',
    )
  })

  it('balances over the hosts that let it in, IPv6 in brackets', () => {
    expect(text.match(/^ {4}server .*$/gm)).toEqual(['    server web-01 10.0.0.12:8080', '    server web-02 [fd00::13]:8080'])
  })

  it('listens on IPv4 and IPv6 with every certificate', () => {
    expect(text.match(/^ {4}bind .*$/gm)).toEqual([
      '    bind :80',
      '    bind :::80 v6only',
      ...['bind :443', 'bind :::443 v6only'].map(
        (bind) => `    ${bind} ssl crt /etc/ssl/haproxy/www.example.org.pem crt /etc/ssl/haproxy/shop.example.org.pem alpn h2,http/1.1`,
      ),
    ])
  })

  it.each([
    ['nobody serves a site', []],
    ['the web servers let only others in', [flow('web-01', [{ name: 'lb-02', addresses: ['10.0.0.20'] }])]],
    ['the site is served by another group', [flow('lb-01', 'anyone')]],
  ])('is refused where %s', (_, flows) => {
    expect(() => haproxy.resources(context(LB, options, { flows }))).toThrow(Problem)
  })

  it('takes the first address of a server that is of a family of its own', () => {
    const balancer = host('lb-01', 'fd00::11')
    const at = textOf(haproxy.resources(context(balancer, options)), '/etc/haproxy/haproxy.cfg')
    expect(at.match(/^ {4}server .*$/gm)).toEqual(['    server web-01 [fd00::12]:8080', '    server web-02 [fd00::13]:8080'])
  })

  it.each([
    ['of another family', host('web-01', 'fd00::12')],
    ['by a name only', host('web-01', 'web-01.example.org')],
  ])('is refused where a server is reached %s', (_, server) => {
    const site = { hosts: [], group: () => [server] }
    expect(() => haproxy.resources(context(host('lb-01', '10.0.0.11'), options, { site }))).toThrow(/web-01 has no address that lb-01/)
  })

  it('refuses two certificates for one file, and a group of nobody', () => {
    const twice = haproxy.options.parse({ certificates: [{ names: ['a.test', 'b.test'] }, { names: ['A.test'] }], backend: 'webs' })
    expect(haproxy.check?.(context(LB, twice))?.map(({ path }) => path)).toEqual([['backend'], ['certificates', 1]])
  })

  it.each([
    [{}],
    [{ certificates: [] }],
    [{ certificates: [{ names: ['*.example.org'] }] }],
    [{ certificates: [{ names: ['a.test'] }], tls: 'old' }],
    [{ certificates: [{ names: ['a.test'] }], health_path: '/a b' }],
    [{ certificates: [{ names: ['a.test'] }], acme: { contact: 'nobody' } }],
    [{ certificates: [{ names: ['a.test'] }], acme: { cafile: 'x' } }],
  ])('refuses %o', (written) => {
    expect(haproxy.options.safeParse(written).success).toBe(false)
  })
})
