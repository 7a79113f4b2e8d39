import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttp } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { probeTargets } from '../../../../roles/monitoring/probes.ts'
import monitoring from '../../../../roles/monitoring/role.ts'
import { bytesOf, shownText } from '../../../../src/resource/kind/content.ts'
import type { Flow } from '../../../../src/role/role.ts'
import { contentOf, contextOf, declared, faultPaths, LB, parsed, site, textOf } from './context.ts'

const BLACKBOX = 'file:/etc/prometheus/blackbox.yml'
const PROMETHEUS = 'file:/etc/prometheus/prometheus.yml'
const UNIT = 'unit:prometheus-blackbox-exporter.service.d/provision.conf'
const secretProbe = { url: 'https://api.test/', auth: { token: 'geheim' } }
const modulesOf = (...probes: readonly object[]) => parsed(declared(LB, { probes }, { exposed: [] }), BLACKBOX).modules

describe('a probe of the options', () => {
  it('checks the response that its options describe', () => {
    const {
      ping: _,
      url: __,
      ...modules
    } = modulesOf(
      { url: 'https://a.test/' },
      { url: 'https://a.test/cart', status: 401, body: 'Your cart', ca_file: 'authorities/own.pem' },
      { url: 'https://a.test/open', auth: { user: 'ann', password: 'p' } },
      { tcp: 'a.test:25', answer: '^220 ' },
      { tls: 'a.test:465', server: 'mail.test', ca_file: 'authorities/own.pem' },
      { dns: 'a.test', server: '9.9.9.9', type: 'MX', answer: 'mail' },
      { tcp: 'b.test:25' },
      { tls: 'b.test:465' },
      { dns: 'b.test', server: '2620:fe::fe' },
    )
    const http = (more: object) => ({
      ...{ prober: 'http', timeout: '8s' },
      http: { valid_http_versions: ['HTTP/1.1', 'HTTP/2.0'], follow_redirects: false, ...more },
    })
    const other = (prober: string, more: object) => ({ prober, timeout: '8s', [prober]: more })
    const pem = (n: number) => ({ ca_file: `/etc/prometheus/provision/probe-${n}.pem` })
    const name = (query_name: string, query_type: string, pattern: string) => ({
      ...{ query_name, query_type, valid_rcodes: ['NOERROR'], validate_answer_rrs: { fail_if_not_matches_regexp: [pattern] } },
    })
    expect(modules).toEqual({
      'own-2': http({ valid_status_codes: [401], fail_if_body_not_matches_regexp: ['Your cart'], tls_config: pem(2) }),
      'own-3': http({ basic_auth: { username: 'ann', password: '•••' } }),
      'own-4': other('tcp', { query_response: [{ expect: '^220 ' }] }),
      'own-5': other('tcp', { tls: true, tls_config: { server_name: 'mail.test', ...pem(5) } }),
      'own-6': other('dns', name('a.test', 'MX', 'mail')),
      'own-7': other('tcp', {}),
      'own-8': other('tcp', { tls: true, tls_config: { server_name: 'b.test' } }),
      'own-9': other('dns', name('b.test', 'A', '.')),
    })
    expect(textOf(declared(LB, { probes: [{ tls: 'a.test:465', ca_file: 'authorities/own.pem' }] }), `file:${pem(1).ca_file}`)).toBe(
      'PEM of own',
    )
  })

  it('reaches a host of the site at its internal address, and belongs to it', () => {
    const targets = (...probes: readonly object[]) =>
      probeTargets(contextOf(LB, { probes }, { exposed: [] })).filter(({ module }) => module !== 'ping')
    expect(
      targets({ tcp: 'web-01:6379' }, { tls: 'web-02:465' }, { tcp: 'x.test:1', name: 'x' }, { dns: 'a.test', server: '2620:fe::fe' }),
    ).toEqual([
      { module: 'own-1', target: '10.0.0.12:6379', labels: { job: 'service', host: 'web-01', instance: 'web-01:6379' } },
      { module: 'own-2', target: '[fd00::13]:465', labels: { job: 'service', host: 'web-02', instance: 'web-02:465' } },
      { module: 'own-3', target: 'x.test:1', labels: { job: 'service', host: 'elsewhere', instance: 'x' } },
      { module: 'own-4', target: '[2620:fe::fe]', labels: { job: 'service', host: 'elsewhere', instance: 'a.test (A at 2620:fe::fe)' } },
    ])
    expect(targets({ url: 'https://a.test/', status: 200 })).toEqual([
      { module: 'own-1', target: 'https://a.test/', labels: { job: 'site', host: 'elsewhere', instance: 'https://a.test/' } },
    ])
  })

  it('warns about a port of the site that is closed to the monitoring server', () => {
    const flow = { role: 'x', service: 'redis', protocol: 'tcp', encrypted: true } as const
    const warned = (flows: readonly Flow[]) => {
      const warnings: string[] = []
      const receivers = [{ name: 'a', type: 'webhook', url: 'http://x.test' }]
      const probes = [{ tcp: 'web-01:6379' }, { tcp: 'lb-01:1' }, { tcp: 'x.test:1' }]
      declared(LB, { receivers, probes }, { flows, warn: (text) => warnings.push(text) })
      return warnings
    }
    const closed = ['probe of web-01:6379: no role opens this port of web-01 to lb-01']
    expect(warned([])).toEqual(closed)
    expect(warned([{ ...flow, host: 'web-01', port: 6379, from: [{ name: 'web-02', addresses: [] }] }])).toEqual(closed)
    expect(warned([{ ...flow, host: 'web-02', port: 6379, from: 'anyone' }])).toEqual(closed)
    expect(warned([{ ...flow, host: 'web-01', port: 6379, from: [{ name: 'lb-01', addresses: [] }] }])).toEqual([])
    expect(warned([{ ...flow, host: 'web-01', port: 6379, from: 'anyone' }])).toEqual([])
  })

  it('with a secret is made for Prometheus only, which presents a certificate', () => {
    const resources = declared(LB, { probes: [secretProbe] })
    // The exporter is asked with this certificate when it starts.
    const order = resources.map(({ id }) => id)
    expect(order.indexOf('/etc/ssl/metrics/ask.pem')).toBeLessThan(order.indexOf('prometheus-blackbox-exporter.service'))
    expect(textOf(resources, UNIT)).toContain(' --web.config.file=/etc/prometheus/provision/blackbox-web.yml\n')
    expect(parsed(resources, 'file:/etc/prometheus/provision/blackbox-web.yml').tls_server_config).toMatchObject({
      client_auth_type: 'RequireAndVerifyClientCert',
      client_ca_file: '/etc/ssl/metrics/authority.pem',
    })
    const jobs = (of: typeof resources) =>
      parsed(of, PROMETHEUS).scrape_configs.filter(({ job_name }: { job_name: string }) => job_name.startsWith('probe/'))
    for (const job of jobs(resources))
      expect(job).toMatchObject({
        scheme: 'https',
        tls_config: { cert_file: '/etc/ssl/metrics/ask.pem', server_name: 'lb-01.metrics.provision.internal' },
      })
    const plain = declared(LB, { probes: [{ url: 'https://a.test/' }] })
    expect(textOf(plain, UNIT)).not.toContain('web.config')
    expect(jobs(plain).some((job: { scheme?: string }) => job.scheme !== undefined)).toBe(false)
    expect(shownText(contentOf(resources, BLACKBOX))).not.toContain('geheim')
    const specOf = (id: string) => resources.find((one) => one.id === id)?.spec
    for (const id of ['/etc/prometheus/blackbox.yml', '/etc/prometheus/prometheus.yml'])
      expect(specOf(id)).toMatchObject({ mode: '640', group: 'prometheus' })
  })

  it.each([
    ['with a secret and without encryption', { url: 'http://a.test/', auth: { token: 'x' } }],
    ['with a password in its address', { url: 'https://a:b@a.test/' }],
    ['with an assertion, which RE2 lacks', { url: 'https://a.test/', body: 'a(?=b)' }],
    ['with an invalid expression', { url: 'https://a.test/', body: 'a(' }],
    ['with a status that HTTP lacks', { url: 'https://a.test/', status: 99 }],
    ['without a port', { tcp: 'a.test' }],
    ['of a name without a server', { dns: 'a.test' }],
    ['at a server without an address', { dns: 'a.test', server: 'dns.test' }],
    ['of two kinds', { tcp: 'a.test:1', tls: 'a.test:1' }],
    ['with half of a login', { url: 'https://a.test/', auth: { user: 'a' } }],
  ])('is refused %s', (_, probe) => expect(monitoring.options.safeParse({ probes: [probe] }).success).toBe(false))

  it('is refused if another one has its name', () => {
    expect(faultPaths({ probes: [{ tcp: 'a.test:1' }, { url: 'https://a.test/', name: 'a.test:1' }] })).toEqual(['probes.1'])
    expect(faultPaths({ probes: [{ tcp: 'a.test:1' }, { tls: 'a.test:1', name: 'b' }] })).toEqual([])
  })
})

describe('a target of the options', () => {
  const at = { job: 'shop', at: 'http://127.0.0.1:9200/metrics?all=1', hosts: ['web'] }

  it('on hosts of the site is exposed by each of them', () => {
    const exposes = (host: typeof LB) =>
      monitoring.exposes?.({ host, site: site([LB]), flows: [], options: monitoring.options.parse({ targets: [at] }) })
    expect(exposes({ ...LB, name: 'web-01' })).toEqual([{ type: 'metrics', job: 'shop', format: 'prometheus', at: at.at }])
    expect(exposes(LB)).toEqual([])
  })

  it('outside the site is read by Prometheus', () => {
    const url = 'https://cdn.test:8443/metrics?a=1&a=2&b=3'
    const resources = declared(LB, { targets: [{ job: 'cdn', url, auth: { token: 'geheim' }, ca_file: 'authorities/own.pem' }] })
    const ca_file = '/etc/prometheus/provision/target-cdn.pem'
    const job = parsed(resources, PROMETHEUS).scrape_configs.find(({ job_name }: { job_name: string }) => job_name === 'target/cdn')
    expect(job).toEqual({
      ...{ job_name: 'target/cdn', scheme: 'https', metrics_path: '/metrics', params: { a: ['1', '2'], b: ['3'] } },
      ...{ authorization: { type: 'Bearer', credentials: '•••' }, tls_config: { ca_file } },
      static_configs: [{ targets: ['cdn.test:8443'], labels: { job: 'cdn', host: 'elsewhere', instance: 'cdn.test:8443' } }],
    })
    expect(textOf(resources, `file:${ca_file}`)).toBe('PEM of own')
    expect(shownText(contentOf(resources, PROMETHEUS))).not.toContain('geheim')
  })

  it.each([
    ['on another host', { ...at, at: 'http://10.0.0.1:9200/' }],
    ['with encryption on its own host', { ...at, at: 'https://127.0.0.1/' }],
    ['on no host', { job: 'shop', at: at.at }],
    ['with a password in its address', { job: 'cdn', url: 'http://a:b@x.test/' }],
  ])('is refused %s', (_, one) => expect(monitoring.options.safeParse({ targets: [one] }).success).toBe(false))

  it('is refused with the job of another, or on an unknown host', () => {
    const url = { job: 'shop', url: 'http://x.test/' }
    expect(faultPaths({ targets: [at, url] })).toEqual(['targets.1.job'])
    expect(faultPaths({ targets: [{ ...at, job: 'node' }] })).toEqual(['targets.0.job'])
    expect(faultPaths({ targets: [{ ...at, hosts: ['web', 'cache'] }] })).toEqual(['targets.0.hosts.1'])
  })
})

const hasBlackbox = spawnSync('prometheus-blackbox-exporter', ['--version']).status === 0

describe.skipIf(!hasBlackbox)('the blackbox exporter', () => {
  const directory = mkdtempSync(join(tmpdir(), 'provision-probes-'))
  const web = createHttp((request, response) => {
    const isKnown = request.headers.authorization === `Basic ${Buffer.from('ann:p').toString('base64')}`
    response.writeHead(request.url === '/login' ? 401 : 200).end(isKnown ? 'known' : 'Your cart')
  })
  const mail = createServer((socket) => void socket.on('error', () => {}).end('220 mail.test\r\n'))
  let daemon: ChildProcess | undefined
  const port = 30_000 + (process.pid % 10_000)
  const portOf = (server: { address(): unknown }) => (server.address() as AddressInfo).port

  afterAll(async () => {
    web.close()
    mail.close()
    if (daemon?.kill() === true) await once(daemon, 'exit')
    rmSync(directory, { recursive: true })
  })

  it('succeeds and fails as the options say', { timeout: 30_000 }, async () => {
    for (const server of [web, mail]) await once(server.listen(0, '127.0.0.1'), 'listening')
    const url = `http://127.0.0.1:${portOf(web)}`
    const probes = [
      { url: `${url}/`, status: 200, body: 'Your c.rt' },
      { url: `${url}/1`, body: 'another' },
      { url: `${url}/login`, status: 401 },
      { url: `${url}/2`, status: 302 },
      { tcp: `127.0.0.1:${portOf(mail)}`, answer: '^220 ' },
      { tcp: `127.0.0.1:${portOf(mail)}`, answer: '^221 ', name: 'wrong' },
      { tcp: '127.0.0.1:1', name: 'closed' },
      { tls: `127.0.0.1:${portOf(web)}`, name: 'plain' },
    ]
    writeFileSync(join(directory, 'blackbox.yml'), bytesOf(contentOf(declared(LB, { probes }, { exposed: [] }), BLACKBOX)))
    daemon = spawn('prometheus-blackbox-exporter', [`--config.file=${directory}/blackbox.yml`, `--web.listen-address=127.0.0.1:${port}`])
    const isReady = () =>
      fetch(`http://127.0.0.1:${port}/`).then(
        ({ status }) => status,
        () => 0,
      )
    await expect.poll(isReady, { timeout: 15_000 }).toBe(200)
    const targets = probeTargets(contextOf(LB, { probes }, { exposed: [] })).filter(({ module }) => module !== 'ping')
    const results = await Promise.all(
      targets.map(async ({ module, target }) => {
        const text = await (await fetch(`http://127.0.0.1:${port}/probe?module=${module}&target=${encodeURIComponent(target)}`)).text()
        return /^probe_success (\d)$/m.exec(text)?.[1]
      }),
    )
    expect(results).toEqual(['1', '0', '1', '0', '1', '0', '0', '0'])
  })
})
