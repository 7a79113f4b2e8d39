import { describe, expect, it } from 'vitest'
import haproxy from '../../../../roles/haproxy-tls/role.ts'
import { type Content, shownText } from '../../../../src/resource/kind/content.ts'
import { keyOf, type Resource } from '../../../../src/resource/kind/kind.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { host } from '../context.ts'
import { declaredBy, textOf } from './balancer.ts'

const SITE = { certificates: [{ names: ['www.site.test'] }] }
const context = (options: object, of = host('lb-01', 'fd00::1', '10.0.0.1')) => ({
  flows: [],
  host: of,
  options: haproxy.options.parse(options),
  site: { hosts: [of], group: () => [of], withRole: () => [of] },
})
const unitOf = (resources: readonly Resource[], name: string): readonly string[] => {
  const found = resources.find((resource) => keyOf(resource) === `unit:${name}`)
  const text = found && shownText((found.spec as { file: { content: Content } }).file.content)
  return text?.split('\n') ?? expect.fail(`${name} is not declared`)
}

describe('the ports and probes', () => {
  it('are those of visitors, who may be anyone', () => {
    expect(haproxy.listens?.(context(SITE))).toEqual([
      { service: 'http', port: 80, protocol: 'tcp', from: ['anyone'] },
      { service: 'https', port: 443, protocol: 'tcp', from: ['anyone'], encrypted: true },
    ])
  })

  const probes = (options: object) => haproxy.exposes?.(context(options)).filter((one) => one.type === 'probe')

  it('request the first full name of each site, or of each certificate', () => {
    const certificates = [{ names: ['*.site.test', 'www.site.test', 'a.site.test'] }, { names: ['*.other.test'] }]
    expect(probes({ certificates })).toEqual([
      { ...{ type: 'probe', name: 'www.site.test', of: 'site', url: 'https://[fd00::1]/', server: 'www.site.test', trusts: 'public' } },
    ])
    const sites = [{ names: ['*.site.test'] }, { names: ['*.a.site.test', 'b.site.test', 'c.site.test'] }]
    expect(probes({ certificates, sites })?.map(({ name }) => name)).toEqual(['b.site.test'])
  })

  it('trust any issuer if the authority is not a public one', () => {
    expect(probes({ ...SITE, acme: { directory: 'https://ca.test/dir' } })).toMatchObject([{ trusts: 'anybody' }])
    expect(probes({ ...SITE, acme: { directory: 'letsencrypt-staging' } })).toMatchObject([{ trusts: 'anybody' }])
  })

  it('include the metrics', () => {
    expect(haproxy.exposes?.(context({ ...SITE, status_port: 9000 }))[0]).toEqual({
      ...{ type: 'metrics', job: 'haproxy', format: 'prometheus', at: 'http://127.0.0.1:9000/metrics' },
    })
  })
})

describe('an address that balancers share', () => {
  const [one, two] = [host('lb-01', '10.0.0.11'), host('lb-02', '10.0.0.12')] as const
  const shared = (of = [one, two]) => ({
    ...context({ ...SITE, virtual_address: '10.0.0.100/24' }, one),
    site: { hosts: of, group: () => of, withRole: () => of },
  })

  it('opens VRRP, and is checked before and after', () => {
    expect(haproxy.listens?.(shared()).map(({ service, protocol }) => [service, protocol])).toEqual([
      ['http', 'tcp'],
      ['https', 'tcp'],
      ['balancers', 'vrrp'],
    ])
    expect(haproxy.verify?.(shared())[0]?.name).toBe('exactly one balancer holds 10.0.0.100')
    expect(haproxy.check?.(shared())).toEqual([])
    expect(haproxy.check?.(shared([one]))).toMatchObject([{ path: ['virtual_address'] }])
  })

  it('is held before certificates are ordered, which are validated through it', () => {
    const order = declaredBy({ ...SITE, virtual_address: '192.0.2.10/24', virtual_interface: 'eth0' }).map(keyOf)
    const at = (key: string) => order.indexOf(key)
    expect(at('service:haproxy.service')).toBeLessThan(at('service:keepalived.service'))
    expect(at('service:keepalived.service')).toBeLessThan(at('certificate:/etc/ssl/haproxy/www.site.test.pem'))
  })
})

describe('the certificates', () => {
  it('have a path for each entry and key type, and are declared as placeholders first', () => {
    const certificates = [{ names: ['*.site.test'], key: 'both' }, { names: ['a.test'], key: 'rsa' }, { names: ['b.test', 'a.b.test'] }]
    const declared = declaredBy({ certificates, acme: { dns_hook: ['x'] } })
    const paths = ['any.site.test.ecdsa.pem', 'any.site.test.rsa.pem', 'a.test.pem', 'b.test.pem'].map((name) => `/etc/ssl/haproxy/${name}`)
    expect(textOf(declared, '/etc/haproxy/certificates.list')).toBe(paths.map((path) => `${path}\n`).join(''))
    const issued = declared.filter((one) => paths.includes(one.id) && keyOf(one).startsWith('certificate:'))
    expect(issued.map(({ id, spec }) => [id, (spec as { keyType: string }).keyType])).toEqual(
      paths.map((path, i) => [path, ['ecdsa', 'rsa', 'rsa', 'ecdsa'][i]]),
    )
    const order = declared.map(keyOf)
    for (const path of paths)
      expect(order.indexOf(`certificate:${path}#placeholder`)).toBeLessThan(order.indexOf('service:haproxy.service'))
    expect(order.indexOf('former-certificates:/etc/haproxy/former-certificates.list')).toBeLessThan(
      order.indexOf('file:/etc/haproxy/certificates.list'),
    )
  })

  it('are loaded again by the service if one of their files changes', () => {
    const service = declaredBy(SITE).find((one) => keyOf(one) === 'service:haproxy.service')
    if (service === undefined) throw new Error('no service')
    const { loads, restarts, set } = service.spec as Record<'loads' | 'restarts', readonly { path: string }[]> & { set: string }
    expect(set).toBe('haproxy')
    expect(restarts.map(({ path }) => path)).toEqual(['/etc/systemd/system/haproxy.service.d/provision.conf'])
    expect(loads.map(({ path }) => path).sort()).toEqual([
      ...['/etc/haproxy/certificates.list', '/etc/haproxy/former-certificates.list', '/etc/haproxy/haproxy.cfg'],
      ...['/etc/haproxy/pages/503.html', '/etc/ssl/haproxy/edge/authority.pem', '/etc/ssl/haproxy/edge/client.pem'],
      ...['/etc/ssl/haproxy/edge/client.pem.key', '/etc/ssl/haproxy/www.site.test.pem', '/etc/ssl/haproxy/www.site.test.pem.key'],
    ])
  })
})

describe('identities', () => {
  it('are the account of the options, and a certificate of the balancer for its web servers', () => {
    const asked: object[] = []
    const acme = {
      ...{ directory: 'https://ca.test/dir', contact: 'ops@site.test', ca_file: 'ca.pem' },
      ...{ dns_hook: ['./dns.sh', 'add'], try_first: 'letsencrypt-staging' },
    }
    const declared = declaredBy({ ...SITE, acme }, undefined, {}, undefined, (options) => void asked.push(options))
    expect(asked).toEqual([
      {
        ...{ directory: 'https://ca.test/dir', contact: 'ops@site.test', caFile: 'ca.pem' },
        ...{ dnsHook: ['./dns.sh', 'add'], tryFirst: 'letsencrypt-staging' },
      },
    ])
    const specOf = (key: string) => declared.find((one) => keyOf(one) === key)?.spec
    expect(specOf('certificate:/etc/ssl/haproxy/edge/client.pem')).toMatchObject({
      names: ['lb-01.edge.provision.internal'],
      usages: ['client'],
    })
    expect(textOf(declared, '/etc/ssl/haproxy/edge/authority.pem')).toBe('in the files of the test')
    expect(specOf('certificate:/etc/ssl/haproxy/www.site.test.pem')).toMatchObject({
      names: ['www.site.test'],
      keyType: 'ecdsa',
      account: 'acme-account:test',
    })
  })

  it('bind the account to one that the authority gave, and order profiles', () => {
    const asked: object[] = []
    const external_account = { kid: 'kid-1', hmac_key: new Secret('hmac') }
    const certificates = [{ names: ['a.test'] }, { names: ['b.test'], profile: 'shortlived' }]
    const acme = { external_account, profile: 'tlsserver' }
    const declared = declaredBy({ certificates, acme }, undefined, {}, undefined, (options) => void asked.push(options))
    expect(asked).toMatchObject([{ externalAccount: { kid: 'kid-1', hmacKey: external_account.hmac_key } }])
    const profiles = declared.flatMap(({ spec }) =>
      (spec as { stage?: string }).stage === 'issued' ? [(spec as { profile?: string }).profile] : [],
    )
    expect(profiles).toEqual(['tlsserver', 'shortlived'])
  })

  it('publish records by signed updates, which wildcards may need', () => {
    const asked: object[] = []
    const secret = new Secret('c2VjcmV0')
    const dns_update = { server: 'ns1.site.test', key: { name: 'acme', secret }, wait_seconds: 3 }
    const certificates = [{ names: ['*.site.test'] }]
    declaredBy({ certificates, acme: { dns_update } }, undefined, {}, undefined, (options) => void asked.push(options))
    const key = { name: 'acme', algorithm: 'hmac-sha256', secret }
    expect(asked).toMatchObject([{ dnsUpdate: { server: 'ns1.site.test', port: 53, key, waitSeconds: 3 } }])
    const faults = (acme: object) => haproxy.check?.(context({ certificates, acme })).map(({ what }) => what)
    expect(faults({ dns_update })).toEqual([])
    expect(faults({})).toEqual(['*.site.test is a wildcard, which only DNS-01 can validate'])
    expect(faults({ dns_update, dns_hook: ['x'] })).toEqual(['dns_update and dns_hook both publish records'])
  })

  it('are for addresses too, in the first certificate', () => {
    const certificates = [{ names: ['2001:db8::1', '192.0.2.1'] }, { names: ['a.test'] }]
    const declared = declaredBy({ certificates })
    expect(textOf(declared, '/etc/haproxy/certificates.list')).toBe('/etc/ssl/haproxy/2001-db8--1.pem\n/etc/ssl/haproxy/a.test.pem\n')
    expect(textOf(declared, '/etc/haproxy/haproxy.cfg')).toContain('hdr Host 192.0.2.1\n')
    const faults = (all: object) => haproxy.check?.(context({ certificates: all })).map(({ what }) => what)
    expect(faults(certificates)).toEqual([])
    expect(faults(certificates.toReversed())).toEqual([
      '2001:db8::1 is in a certificate that visitors of an address do not get',
      '192.0.2.1 is in a certificate that visitors of an address do not get',
    ])
    const check = haproxy.verify?.(context({ certificates })).find(({ name }) => name.startsWith('2001:db8::1'))
    expect(String(check?.script)).toContain('-noservername')
    expect(String(check?.script)).toContain("'-checkip 2001:db8::1'")
    expect(String(check?.script)).toContain('Host: [2001:db8::1]')
  })

  it('serve former certificates until the new ones are issued', () => {
    const declared = declaredBy(SITE)
    const formers = declared.find((one) => keyOf(one).startsWith('former-certificates:'))
    expect(formers?.spec).toMatchObject({
      path: '/etc/haproxy/former-certificates.list',
      list: '/etc/haproxy/certificates.list',
    })
    expect(JSON.stringify(formers?.spec)).toContain('/etc/ssl/haproxy/www.site.test.pem')
  })
})

describe('files that are replaced together', () => {
  it('are checked by HAProxy before they become live', () => {
    const declared = declaredBy(SITE)
    const set = { name: 'haproxy', root: '/etc/haproxy', check: ['haproxy', '-c', '-f', '/etc/haproxy/haproxy.cfg'] }
    const sets = declared.flatMap((one) => (keyOf(one).startsWith('file:/etc/haproxy/') ? [(one.spec as { set: object }).set] : []))
    expect(sets).toEqual([set, set, set])
  })
})

describe('the page for a site that cannot be served', () => {
  it('is complete HTML for every visitor', () => {
    const page = textOf(declaredBy(SITE), '/etc/haproxy/pages/503.html')
    expect(page).toMatch(/^<!doctype html>\n<html lang="en">\n/)
    for (const part of [
      '<meta charset="utf-8">',
      '<meta name="viewport" content="width=device-width">',
      '<title>Back soon</title>',
      '<h1>Back soon</h1>',
    ])
      expect(page).toContain(part)
    // Every element is closed in order.
    const open: string[] = []
    for (const [, close, name = ''] of page.matchAll(/<(\/?)([a-z1-6]+)[^>]*>/g))
      if (close === '/') expect(open.pop()).toBe(name)
      else if (name !== 'meta') open.push(name)
    expect(open).toEqual([])
    expect(page.match(/style="[^"]*"/g)).toEqual([
      'style="font-family: system-ui, sans-serif; display: grid; place-items: center; min-height: 90vh"',
    ])
  })
})

describe('the units', () => {
  it('restart HAProxy whenever it ends, and limit its share of the host', () => {
    const share = { cpu_weight: 7, io_weight: 8, memory_percent: 9 }
    const declared = declaredBy({ ...SITE, share })
    expect(unitOf(declared, 'balancer.slice')).toEqual(expect.arrayContaining(['CPUWeight=7', 'IOWeight=8', 'MemoryMax=9%']))
    expect(unitOf(declared, 'haproxy.service.d/provision.conf')).toEqual(
      expect.arrayContaining([
        ...['StartLimitIntervalSec=0', 'Slice=balancer.slice', 'Restart=always', 'RestartSec=1s'],
        ...['RuntimeDirectory=provision-haproxy', 'RuntimeDirectoryMode=0700', 'ReadWritePaths=/var/lib/haproxy'],
        ...['Environment=PIDFILE=/run/provision-haproxy/haproxy.pid', 'Environment="EXTRAOPTS=-S /run/provision-haproxy/master.sock"'],
        'CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_SETUID CAP_SETGID CAP_SYS_CHROOT CAP_KILL CAP_CHOWN CAP_FOWNER',
      ]),
    )
  })

  it('check revocations twice a day, as an account without capabilities', () => {
    const declared = declaredBy(SITE)
    const script = declared.find((one) => keyOf(one) === 'file:/usr/local/sbin/provision-revocation')
    expect(script?.spec).toMatchObject({ mode: '755' })
    const timer = declared.find((one) => keyOf(one) === 'service:provision-revocation.timer')
    expect(timer?.spec).toMatchObject({ restarts: [{ path: '/etc/systemd/system/provision-revocation.timer' }] })
    expect(unitOf(declared, 'provision-revocation.timer')).toEqual(
      expect.arrayContaining(['OnCalendar=*-*-* 05,17:20', 'RandomizedDelaySec=1h', 'Persistent=true', 'WantedBy=timers.target']),
    )
    expect(unitOf(declared, 'provision-revocation.service')).toEqual(
      expect.arrayContaining([
        ...['Type=oneshot', 'ExecStart=/usr/local/sbin/provision-revocation', 'ReadWritePaths=/etc/ssl/haproxy'],
        'CapabilityBoundingSet=',
      ]),
    )
  })
})

describe('error pages', () => {
  const STATUSES = [400, 401, 403, 404, 405, 407, 408, 410, 413, 425, 429, 500, 501, 502, 503, 504]
  const pages = (files: Readonly<Record<string, number>>): readonly Resource[] => {
    const content = (size: number) => ({ type: 'local', path: 'p', sha256: 'a'.repeat(64), size, open: () => Buffer.from('') }) as const
    return declaredBy({ ...SITE, error_pages: 'pages' }, undefined, {}, () =>
      Object.entries(files).map(([path, size]) => ({ path, content: content(size) })),
    )
  }

  it('are served with their status, and ask the visitor to come back', () => {
    const declared = pages(Object.fromEntries(STATUSES.map((status) => [`${status}.html`, 14_000])))
    const lines = textOf(declared, '/etc/haproxy/haproxy.cfg').match(/^ {4}http-error .*$/gm)
    expect(lines).toEqual(
      STATUSES.map(
        (status) =>
          `    http-error status ${status} content-type "text/html; charset=utf-8" hdr Retry-After 30 file /etc/haproxy/pages/${status}.html`,
      ),
    )
    expect(declared.filter((one) => one.id.startsWith('/etc/haproxy/pages/'))).toHaveLength(STATUSES.length)
  })

  it.each([
    [{ '418.html': 1 }, /418\.html is not named after an error status/],
    [{ '50.html3': 1 }, /50\.html3 is not named after an error status/],
    [{ '503.htm': 1 }, /503\.htm is not named after an error status/],
    [{ '503.html': 14_001 }, /503\.html has 14001 bytes, and HAProxy allows 14000/],
  ])('cannot be %o', (files, what) => {
    expect(() => pages(files)).toThrow(expect.objectContaining({ class: 'input', what: expect.stringMatching(what) }))
  })
})

describe('options', () => {
  it.each<[object, boolean]>([
    ...['192.0.2.1', '2001:db8::1', '192.0.2.0/24', '2001:db8::/32'].map((one): [object, boolean] => [
      { rate_limit: { except: [one] } },
      true,
    ]),
    [{ rate_limit: { except: ['home.test'] } }, false],
    [{ rate_limit: { requests: 0 } }, false],
    [{ rate_limit: { seconds: 0 } }, false],
    [{ rate_limit: { seconds: 1 } }, true],
    [{ rate_limit: false }, true],
    [{ rate_limit: true }, false],
    [{ timeouts: { server: 0.05 } }, false],
    [{ timeouts: { server: 86_400 } }, true],
    [{ timeouts: { server: 86_401 } }, false],
    [{ certificates: [{ names: Array.from({ length: 100 }, (_, i) => `a${i}.test`) }] }, true],
    [{ certificates: [{ names: Array.from({ length: 101 }, (_, i) => `a${i}.test`) }] }, false],
    [{ certificates: [{ names: ['test'] }] }, false],
    [{ certificates: [{ names: ['-a.test'] }] }, false],
    [{ certificates: [{ names: ['a.test evil'] }] }, false],
    [{ certificates: [{ names: [`${'a.'.repeat(124)}test`] }] }, true],
    [{ certificates: [{ names: [`a${'a.'.repeat(125)}tst`] }] }, false],
    [{ health_host: '*.site.test' }, false],
    [{ health_path: 'healthz' }, false],
    [{ health_path: 'x/healthz' }, false],
    [{ health_path: '/healthz x' }, false],
    [{ headers: { 'X-Test:': 'a' } }, false],
    [{ headers: { ' X-Test': 'a' } }, false],
    [{ headers: { 'X-Test': 'a\n' } }, false],
    [{ headers: { 'X-Test': '\na' } }, false],
    [{ extra: { global: ['a\n'] } }, false],
    [{ extra: { global: ['\na'] } }, false],
    [{ timeouts: { server: 0.1 } }, true],
    [{ health_path: '/a?b=c' }, true],
    [{ health_status: 99 }, false],
    [{ health_status: 599 }, true],
    [{ drain_seconds: 0 }, false],
    [{ drain_seconds: 600 }, true],
    [{ share: { memory_percent: 4 } }, false],
    [{ status_port: 65_536 }, false],
    [{ virtual_router_id: 256 }, false],
    [{ virtual_router_id: 255 }, true],
    [{ virtual_interface: 'eth0.100' }, true],
    [{ virtual_interface: 'eth0; reboot' }, false],
    [{ virtual_address: '192.0.2.1' }, false],
    [{ virtual_address: ['192.0.2.1/24', '2001:db8::1/64'] }, true],
  ])('%o', (options, isValid) => {
    expect(haproxy.options.safeParse({ ...SITE, ...options }).success).toBe(isValid)
  })
})
