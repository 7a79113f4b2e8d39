import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { alertmanagerConfig } from '../../../../roles/monitoring/alertmanager.ts'
import { SCRIPT } from '../../../../roles/monitoring/dashboard/script.ts'
import monitoring from '../../../../roles/monitoring/role.ts'
import { alertsOf } from '../../../../roles/monitoring/rules/all.ts'
import { OF_SERIES } from '../../../../roles/monitoring/rules/rule.ts'
import { RUNBOOKS } from '../../../../roles/monitoring/rules/runbooks.ts'
import { yaml } from '../../../../roles/monitoring/yaml.ts'
import { passwordHash } from '../../../../src/resource/account/password.ts'
import { bytesOf, shownText } from '../../../../src/resource/kind/content.ts'
import { keyOf, type Resource } from '../../../../src/resource/kind/kind.ts'
import type { Exposed, Flow, HostView } from '../../../../src/role/role.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { alertCases } from '../../../alerts/all.ts'
import { ALL, declared, LB, parsed, site, textOf, WEB } from './context.ts'

const PROMETHEUS = 'file:/etc/prometheus/prometheus.yml'
const BLACKBOX = 'file:/etc/prometheus/blackbox.yml'
const DOOR = 'file:/etc/prometheus/exporter-exporter.yml'

describe('the agent of a host', () => {
  it('serves the host itself and what its roles expose through one proxy', () => {
    expect(Object.keys(parsed(declared(WEB[0] as HostView), DOOR).modules)).toEqual(['node', 'nginx'])
    expect(parsed(declared(LB), DOOR).modules.haproxy.http).toEqual({ address: '127.0.0.1', port: 8405, path: '/metrics', verify: false })
  })

  it('is open to monitoring servers only, encrypted', () => {
    const listens = monitoring.listens?.({ host: LB, site: site([LB]), options: monitoring.options.parse({ port: 9999 }) })
    expect(listens).toEqual([{ service: 'metrics', port: 9999, protocol: 'tcp', from: [{ group: 'monitoring_servers' }], encrypted: true }])
  })

  it('requires a client certificate, which only monitoring servers have', () => {
    const usages = (resources: readonly Resource[]) =>
      resources
        .filter(({ id }) => id.startsWith('/etc/ssl/metrics/') && id.endsWith('.pem'))
        .flatMap(({ id, spec }) => ((spec as { usages?: string[] }).usages ?? []).map((usage) => `${id.slice(17)} ${usage}`))
    expect(usages(declared(WEB[0] as HostView))).toEqual(['agent.pem server'])
    expect(usages(declared(LB))).toEqual(['agent.pem server', 'ask.pem client', 'ask-edge.pem client'])
  })

  it('connects to the socket of a database that is exposed', () => {
    const exposed: Exposed[] = [
      { type: 'metrics', job: 'mysql', format: 'mysqld', at: '/run/mysqld/mysqld.sock', host: 'web-01', role: 'x' },
    ]
    const resources = declared(WEB[0] as HostView, {}, { exposed })
    expect(textOf(resources, 'unit:prometheus-mysqld-exporter.service.d/provision.conf')).toContain(
      'Environment="DATA_SOURCE_NAME=prometheus@unix(/run/mysqld/mysqld.sock)/"\n',
    )
    expect(textOf(resources, 'file:/etc/prometheus/mysqld-exporter.cnf')).toBe(
      '[client]\nuser=prometheus\nsocket=/run/mysqld/mysqld.sock\n',
    )
  })
})

describe('a release', () => {
  const of = (distribution: 'debian' | 'ubuntu', release: string) => {
    const resources = declared(LB, { dashboard: { users: { ann: 'long enough' } } }, { facts: { distribution, release } })
    const nginx = textOf(resources, 'file:/etc/provision/dashboard/nginx.conf')
    return [
      /keep_firing_for/.test(textOf(resources, 'file:/etc/prometheus/provision/rules.yml')) ? 'keeps' : 'forgets',
      [...nginx.matchAll(/^ *(listen .*|http2 .*);$/gm)].map(([, line]) => line).join('; '),
    ].join(': ')
  }
  const parameter = 'listen 9443 ssl http2; listen [::]:9443 ssl http2'
  const directive = 'listen 9443 ssl; listen [::]:9443 ssl; http2 on'

  // apt-cache policy of each release, November 2026: prometheus 2.31, 2.42, 2.45, 2.53; nginx 1.18, 1.22, 1.24, 1.26, 1.28.
  it.each([
    ['debian', '12', `keeps: ${parameter}`],
    ['debian', '13', `keeps: ${directive}`],
    ['debian', '', `keeps: ${directive}`],
    ['ubuntu', '22.04', `forgets: ${parameter}`],
    ['ubuntu', '24.04', `keeps: ${parameter}`],
    ['ubuntu', '24.10', `keeps: ${directive}`],
    ['ubuntu', '26.04', `keeps: ${directive}`],
  ] as const)('has the settings that its Prometheus and nginx support: %s %s', (distribution, release, expected) => {
    expect(of(distribution, release)).toBe(expected)
  })
})

describe('the probe of a site', () => {
  const settings = (status?: number) => {
    const probe = { type: 'probe', name: 'www', of: 'site', url: 'https://10.0.0.11/', server: 'www.test', trusts: 'anybody' } as const
    const exposed = [{ ...probe, ...(status !== undefined && { status }), host: 'lb-01', role: 'haproxy-tls' }]
    return parsed(declared(LB, {}, { exposed }), BLACKBOX).modules['https-www.test'].http
  }

  it('finds a site up that answers with a page, asks for a password or has no home page', () => {
    expect(settings()).toMatchObject({ follow_redirects: true })
    for (const status of [200, 204, 401, 403, 404]) expect(settings().valid_status_codes).toContain(status)
    for (const status of [301, 400, 421, 429, 500, 502, 503, 504]) expect(settings().valid_status_codes).not.toContain(status)
  })

  it('expects the status that an option names, of the first response', () => {
    expect(settings(302)).toMatchObject({ valid_status_codes: [302], follow_redirects: false })
  })
})

describe('a monitoring server', () => {
  const resources = declared(LB)

  it('scrapes every host by its own name and address', () => {
    const jobs = parsed(resources, PROMETHEUS).scrape_configs.filter(({ scheme }: { scheme?: string }) => scheme === 'https')
    expect(jobs.map((job: { job_name: string }) => job.job_name)).toEqual([
      ...['node', 'haproxy', 'prometheus', 'alertmanager'].map((job) => `${job}/lb-01`),
      ...['node/web-01', 'nginx/web-01', 'node/web-02', 'nginx/web-02'],
    ])
    expect(jobs.at(-1)).toMatchObject({
      params: { module: ['nginx'] },
      tls_config: { server_name: 'web-02.metrics.provision.internal', cert_file: '/etc/ssl/metrics/ask.pem' },
      static_configs: [{ targets: ['[fd00::13]:9998'], labels: { job: 'nginx', host: 'web-02', instance: 'web-02' } }],
    })
  })

  it('probes the site as a visitor does, and each web server as a balancer does', () => {
    const { modules } = parsed(resources, BLACKBOX)
    expect(Object.keys(modules)).toEqual([
      'ping',
      'url',
      'https-www.example.test',
      'https-web-01.edge.provision.internal',
      'https-web-02.edge.provision.internal',
    ])
    expect(modules['https-www.example.test'].http).toMatchObject({ headers: { Host: 'www.example.test' } })
    expect(modules['https-www.example.test'].http.tls_config).toEqual({ server_name: 'www.example.test' })
    expect(modules['https-web-01.edge.provision.internal'].http.tls_config.cert_file).toBe('/etc/ssl/metrics/ask-edge.pem')
    const probes = parsed(resources, PROMETHEUS).scrape_configs.flatMap(
      (job: { metrics_path: string; static_configs: { targets: string[] }[] }) =>
        job.metrics_path === '/probe' ? job.static_configs.flatMap(({ targets }) => targets) : [],
    )
    expect(probes).toEqual([
      '10.0.0.11',
      '10.0.0.12',
      'fd00::13',
      'https://10.0.0.11/',
      'https://10.0.0.12:8443/healthz',
      'https://[fd00::13]:8443/healthz',
    ])
  })

  it('uses the intervals and sizes of the options', () => {
    const small = declared(LB, { interval_seconds: 60, retention_days: 3, retention_mb: 256, memory_mb: 200 })
    expect(parsed(small, PROMETHEUS).global).toEqual({ scrape_interval: '60s', evaluation_interval: '60s', scrape_timeout: '9s' })
    expect(textOf(resources, 'file:/etc/prometheus/provision/rules.yml')).toContain('rate(nginx_http_requests_total[60s])')
    expect(textOf(declared(LB, { checks_seconds: 100 }), 'file:/etc/prometheus/provision/rules.yml')).toContain(
      'time() - provision_checks_done_seconds > 400',
    )
    const unit = textOf(small, 'unit:prometheus.service.d/provision.conf')
    expect(unit).toContain('--storage.tsdb.retention.time=3d --storage.tsdb.retention.size=256MB')
    expect(unit).toContain('MemoryMax=200M')
    expect(textOf(small, 'file:/etc/prometheus/provision/rules.yml')).toContain('[240s]')
  })

  it('loads every file that a daemon reads, and restarts it with its unit', () => {
    const two = declared(LB, { dashboard: { users: { ann: 'x' } } }, { servers: [LB, WEB[1] as HostView] })
    const references = (list: unknown): readonly string[] =>
      JSON.stringify(list ?? []).match(/"(\/[^"]+|[a-z@-]+\.(service|timer)[^"]*)"/g) ?? []
    const services = Object.fromEntries(
      two
        .filter(({ kind }) => kind.name === 'service')
        .map(({ id, spec }) => {
          const { loads, restarts } = spec as { loads?: unknown; restarts?: unknown }
          return [
            id.replace('.service', ''),
            [references(loads), references(restarts)].map((list) => [...new Set(list)].join(' ')).join(' | '),
          ]
        }),
    )
    expect(services.prometheus).toMatch(/prometheus\.yml.*\|.*prometheus\.service\.d/)
    expect(services.prometheus).toContain('rules.yml')
    expect(services['prometheus-alertmanager']).toMatch(/alertmanager\.yml.*\|.*alertmanager-cluster/)
    expect(services['prometheus-blackbox-exporter']).toMatch(/blackbox\.yml.*\|.*blackbox-exporter\.service\.d/)
    expect(services['prometheus-exporter-exporter']).toMatch(
      /exporter-exporter\.yml.*agent\.pem.*authority\.pem.*\|.*exporter-exporter\.service\.d/,
    )
    expect(services['prometheus-node-exporter']).toMatch(/\|.*node-exporter\.service\.d/)
    expect(services['provision-dashboard']).toMatch(/nginx\.conf.*dashboard\.pem.*\|.*provision-dashboard\.service/)
    expect(services['provision-checks.timer']).toMatch(/\|.*provision-checks\.timer/)
    // A directory comes before its content, and a file before the service that reads it.
    const keys = two.map(keyOf)
    for (const { kind, id } of two)
      if (kind.name === 'file') {
        const directory = keys.indexOf(`directory:${id.slice(0, id.lastIndexOf('/'))}`)
        expect([id, directory < keys.indexOf(`file:${id}`)]).toEqual([id, true])
      }
    expect(keys).toEqual(expect.arrayContaining(['directory:/var/lib/provision-metrics/checks', 'package:iproute2']))
  })

  it('asks each receiver to trust its own authority, and no other daemon to be read by outsiders', () => {
    const unit = textOf(resources, 'unit:prometheus-alertmanager.service.d/provision.conf')
    expect(unit).toContain('--web.listen-address=127.0.0.1:9093')
    for (const name of ['prometheus', 'prometheus-blackbox-exporter', 'prometheus-node-exporter'])
      expect(textOf(resources, `unit:${name}.service.d/provision.conf`)).toContain('--web.listen-address=127.0.0.1:')
    expect(textOf(resources, 'unit:prometheus.service.d/provision.conf')).toContain('--query.lookback-delta=35s')
    const config = alertmanagerConfig(
      monitoring.options.parse({ receivers: [{ name: 'phone', type: 'webhook', url: 'https://hook.test/', ca_file: 'a.pem' }] }),
    )
    const { receivers } = parse(Buffer.from(bytesOf(config)).toString())
    expect(receivers.at(-1).webhook_configs[0].http_config).toEqual({
      tls_config: { ca_file: '/etc/prometheus/provision/receiver-phone.pem' },
    })
  })

  it('counts the members of the database cluster by the flows of the roles', () => {
    const flow = { role: 'mysql', service: 'database-cluster', port: 4567, protocol: 'tcp', encrypted: true, from: [] } as const
    const flows = ALL.map(({ name }) => ({ ...flow, host: name }))
    const rules = parsed(declared(LB, {}, { flows }), 'file:/etc/prometheus/provision/rules.yml')
    const alerts = rules.groups.flatMap((group: { rules: { alert?: string; expr: string }[] }) => group.rules)
    const { expr } = alerts.find(({ alert }: { alert?: string }) => alert === 'GaleraDegraded')
    expect(expr).toMatch(/^min\(mysql_global_status_wsrep_cluster_size > 0\) < 3 /)
  })

  it('opens no cluster port when it is alone, and uses mutual TLS when it is not', () => {
    const unit = 'unit:prometheus-alertmanager.service.d/provision.conf'
    expect(textOf(resources, unit)).toContain('--cluster.listen-address= 2> ')
    const two = declared(LB, {}, { servers: [LB, WEB[1] as HostView] })
    expect(
      monitoring
        .listens?.({ host: LB, site: site([LB, WEB[1] as HostView]), options: monitoring.options.parse({}) })
        ?.find(({ service }) => service === 'alertmanager'),
    ).toEqual({ service: 'alertmanager', port: 9094, protocol: 'tcp', from: [{ group: 'monitoring_servers' }], encrypted: true })
    expect(textOf(two, unit)).toContain("'--cluster.peer=[fd00::13]:9094' 2> ")
    expect(parsed(two, 'file:/etc/prometheus/provision/alertmanager-cluster.yml').tls_server_config.client_auth_type).toBe(
      'RequireAndVerifyClientCert',
    )
  })
})

describe('the checks of a host', () => {
  it('know the ports of its flows and of sshd, and whether a balancer logs there', () => {
    const flow = { role: 'x', service: 'x', protocol: 'tcp', encrypted: true, from: [] } as const
    const flows: readonly Flow[] = [
      { ...flow, host: 'web-01', port: 443 },
      { ...flow, host: 'web-01', port: 443, protocol: 'udp' },
      { ...flow, host: 'web-01', port: 22 },
      { ...flow, host: 'web-01', port: 112, protocol: 'vrrp' },
      { ...flow, host: 'web-02', port: 3306 },
    ]
    const line = (of: HostView, exposed: readonly Exposed[]) =>
      /^PORTS=.*$/m.exec(textOf(declared(of, { known_users: ['ops'] }, { flows, exposed }), 'file:/usr/local/sbin/provision-checks'))?.[0]
    const metrics = { type: 'metrics', format: 'prometheus', at: 'http://127.0.0.1:1/', role: 'x' } as const
    expect(line(WEB[0] as HostView, [{ ...metrics, job: 'haproxy', host: 'web-01' }])).toBe(
      "PORTS='443/tcp 443/udp 22/tcp' USERS='root ops' BALANCER=yes",
    )
    const elsewhere: readonly Exposed[] = [
      { ...metrics, job: 'haproxy', host: 'lb-01' },
      { ...metrics, job: 'shop', host: 'web-01' },
    ]
    expect(line(WEB[0] as HostView, elsewhere)).toMatch(/ BALANCER=no$/)
  })

  const known = { known_ports: ['51820/udp'], known_users: ['ann'] }
  const resources = declared(LB, known)
  const script = textOf(resources, 'file:/usr/local/sbin/provision-checks')

  it('contain the known ports and users as values, and source no file', () => {
    expect(spawnSync('sh', ['-n'], { input: script, encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' })
    expect(script).toContain("PORTS='22/tcp 51820/udp' USERS='root ops ann' BALANCER=yes\n")
    expect(script).not.toMatch(/(^|[;&|]) *(\.|source) /m)
  })

  it('write their results below a directory that root alone owns, and the exporter reads them there', () => {
    const unit = textOf(resources, 'unit:provision-checks.service')
    expect(unit).toContain('DynamicUser=yes\n')
    expect(unit).toContain('StandardOutput=append:/var/lib/provision-metrics/checks/provision.new\n')
    expect(unit).not.toMatch(/^Exec\w+=\+/m)
    expect(resources.map(keyOf)).toEqual(expect.arrayContaining(['directory:/var/lib/provision-metrics']))
    const exporter = textOf(resources, 'unit:prometheus-node-exporter.service.d/provision.conf')
    expect(exporter).toContain('--collector.textfile.directory=/var/lib/provision-metrics/*')
    // adjtimex(2) both reads and sets the clock.
    expect(exporter).toContain('ProtectClock=no\n')
    expect(exporter).toContain('SystemCallFilter=adjtimex\n')
  })
})

describe('receivers', () => {
  const options = monitoring.options.parse({
    heartbeat: 'https://beat.test/1',
    receivers: [
      { name: 'phone', type: 'webhook', url: 'https://hook.test/secret', severities: ['critical'] },
      { name: 'chat', type: 'slack', url: 'https://slack.test/T0/secret', channel: '#ops' },
      {
        name: 'mail',
        type: 'email',
        to: ['a@x.test', 'b@x.test'],
        from: 'm@x.test',
        server: 'mail.x.test:587',
        user: 'm',
        password: 'p"w',
      },
    ],
  })

  it('get alerts by severity, and their secrets stay masked', () => {
    const config = alertmanagerConfig(options)
    const { route, receivers } = parse(Buffer.from(bytesOf(config)).toString())
    expect(route.routes.map(({ receiver, matchers }: { receiver: string; matchers: string[] }) => [receiver, ...matchers])).toEqual([
      ['heartbeat', 'alertname="Watchdog"'],
      ...['phone', 'chat', 'mail'].map((name) => [name, 'alertname="TestAlert"', `receiver="${name}"`]),
      ['nobody', 'severity="none"'],
      ['phone', 'severity=~"critical"'],
      ['chat', 'severity=~"critical|warning"'],
      ['mail', 'severity=~"critical|warning"'],
    ])
    expect(receivers.at(-1).email_configs.map(({ to, auth_password }: Record<string, string>) => [to, auth_password])).toEqual([
      ['a@x.test', 'p"w'],
      ['b@x.test', 'p"w'],
    ])
    const shown = shownText(config) ?? ''
    for (const word of ['secret', 'p"w', 'p\\"w', 'beat.test']) expect(shown).not.toContain(word)
  })

  it('are rejected if misspelt', () => {
    expect(monitoring.options.safeParse({ receivers: [{ name: 'x', type: 'pager', url: 'y' }] }).success).toBe(false)
    expect(monitoring.options.safeParse({ receivers: [{ name: 'x', type: 'slack', url: 'y', channel: 'ops' }] }).success).toBe(false)
  })
})

describe('an alert', () => {
  const defaults = monitoring.options.parse({})
  const alerts = alertsOf(defaults)
  const allCases = alertCases(defaults)
  const readme = readFileSync(join(import.meta.dirname, '../../../../roles/monitoring/README.md'), 'utf8')
  const sections = readme.split(/^### /m).slice(1)

  it.each(alerts.map((one) => [one.alert, one] as const))(
    '%s has a case, a severity, a summary and a runbook',
    (name, { severity, summary }) => {
      const cases = allCases[name] ?? []
      // Receivers choose alerts by severity. Only the heartbeat gets the one that always fires.
      expect(['critical', 'warning', OF_SERIES].includes(severity)).toBe(name !== 'Watchdog')
      expect(cases.length).toBeGreaterThan(0)
      expect(summary.length).toBeGreaterThan(10)
      const section = sections.find((one) => one.startsWith(`${name}\n`))
      expect(section?.split('\n').slice(1).join(' ').replace(/\s+/g, ' ').trim()).toBe(RUNBOOKS[name])
      // A runbook that names HOST or UNIT needs an alert with that label.
      const labels = cases.flatMap((one) => ('summary' in one ? [one.labels ?? {}] : []))
      expect(labels.length).toBeGreaterThan(0)
      if (/HOST/.test(RUNBOOKS[name] ?? '')) expect(labels.every(({ host }) => host !== undefined)).toBe(true)
      if (/UNIT/.test(RUNBOOKS[name] ?? '')) expect(labels.every((one) => one.name !== undefined)).toBe(true)
    },
  )

  it('has a unique name, and every case and section of the README belongs to an alert', () => {
    const names = alerts.map(({ alert }) => alert)
    expect(Object.keys(allCases).filter((name) => !names.includes(name))).toEqual([])
    expect(new Set(names).size).toBe(names.length)
    expect(sections.map((one) => one.split('\n')[0]).filter((one) => !names.includes(one ?? ''))).toEqual([])
  })

  it('exists if an inhibition rule names it', () => {
    const { inhibit_rules } = parse(Buffer.from(bytesOf(alertmanagerConfig(monitoring.options.parse({})))).toString())
    const words = JSON.stringify(inhibit_rules).match(/\b[A-Z][A-Za-z]+\b/g) ?? []
    const known = alerts.map(({ alert }) => alert)
    expect([...new Set(words)].filter((word) => !known.some((name) => name.startsWith(word)))).toEqual([])
  })
})

describe('a password', () => {
  it('becomes the hash of crypt(3), the same in every run', () => {
    // openssl passwd -6 -salt 2d711642b726b044 geheim
    const hash = passwordHash(new Secret('geheim'), 'x').reveal()
    expect(hash).toBe('$6$2d711642b726b044$BBD7WTHgBmf7X6zoX9MPb7exHFd1Z4AKsPbdYFVhXrCa8sBZ1H3fYDph8hFUcYfUbSbsan.jiIHVvMEAkaPyO1')
    expect(passwordHash(new Secret('geheim'), 'y').reveal()).not.toBe(hash)
    expect(JSON.stringify(passwordHash(new Secret('geheim'), 'x'))).toBe('"•••"')
  })
})

describe('a number on the dashboard', () => {
  const short = new Function(`${/const short = [\s\S]*?\n}\n/.exec(SCRIPT)?.[0]}; return short`)() as (value: number) => string

  it.each([
    [0, '0'],
    [0.0123, '0.012'],
    [7, '7'],
    [160, '160'],
    [1500, '1.5k'],
    [160_000_000, '160M'],
    [100_000, '100k'],
    [2_000_000_000, '2G'],
  ])('%d is written as %s', (value, words) => expect(short(value)).toBe(words))
})

describe('invalid options', () => {
  const faults = (written: object, bound: readonly HostView[] = ALL) =>
    monitoring.check?.({ host: LB, options: monitoring.options.parse(written), site: { ...site([LB]), withRole: () => bound } }) ?? []
  const to = (name: string) => ({ name, type: 'webhook', url: 'http://x.test' })

  it.each([
    ['an empty group of monitoring servers', { servers: 'watchers' }, ALL, ['servers']],
    ['a monitoring server without the role', {}, WEB, ['servers']],
    ['two receivers with one name', { receivers: [to('a'), to('b'), to('a')] }, ALL, ['receivers', 2, 'name']],
    [
      'a user who may silence, and does not exist',
      { dashboard: { users: { ann: 'x' }, may_silence: ['ann', 'eve'] } },
      ALL,
      ['dashboard', 'may_silence', 1],
    ],
    ['a reserved name', { receivers: [to('heartbeat')] }, ALL, ['receivers', 0, 'name']],
  ])('are reported with their path: %s', (_, written, bound, path) => expect(faults(written, bound).map((one) => one.path)).toEqual([path]))

  it.each([
    ['port', 1, 65_535],
    ['interval_seconds', 5, 300],
    ['checks_seconds', 10, 3600],
    ['retention_days', 1, 3650],
    ['retention_mb', 128, undefined],
    ['memory_mb', 128, undefined],
    ['limits.slow_seconds', 0.1, 86_400],
    ['limits.error_ratio', 0.001, 1],
    ['limits.surge', 1.1, undefined],
    ['limits.least_qps', 0, undefined],
    ['limits.failed_logins', 1, undefined],
    ['limits.disk_full_hours', 1, 168],
    ['limits.balancer_connections', 0.001, 1],
  ])('include numbers out of range: %s', (path, lowest, highest) => {
    const isValid = (value: number) =>
      monitoring.options.safeParse(path.split('.').reduceRight<unknown>((inner, key) => ({ [key]: inner }), value)).success
    expect([lowest, highest ?? 1e9].map(isValid)).toEqual([true, true])
    expect(isValid(lowest - (lowest < 1 ? lowest + 0.1 : 0.6))).toBe(false)
    if (highest !== undefined) expect(isValid(highest + 0.6)).toBe(false)
  })

  it.each([
    ['a receiver with a long word', { receivers: [{ name: 'Admins', type: 'webhook', url: 'x' }] }],
    ['an authority outside of the project', { receivers: [{ name: 'a', type: 'webhook', url: 'x', ca_file: '/etc/ca.pem' }] }],
    ['a receiver of no alert', { receivers: [{ name: 'a', type: 'webhook', url: 'x', severities: [] }] }],
    ['mail to nobody', { receivers: [{ name: 'a', type: 'email', to: [], from: 'a@x.test', server: 'x.test:25' }] }],
    ['a mail server without a port', { receivers: [{ name: 'a', type: 'email', to: ['a@x.test'], from: 'a@x.test', server: 'x.test' }] }],
    [
      'a mail server with more than a port',
      { receivers: [{ name: 'a', type: 'email', to: ['a@x.test'], from: 'a@x.test', server: 'x.test:25 b' }] },
    ],
    ['a channel with a space', { receivers: [{ name: 'a', type: 'slack', url: 'x', channel: '#a b' }] }],
    ['a webhook with half of a login', { receivers: [{ name: 'a', type: 'webhook', url: 'x', auth: { user: 'a' } }] }],
    ['a priority that ntfy lacks', { receivers: [{ name: 'a', type: 'ntfy', url: 'x', priority: 6 }] }],
    ['a chat by name', { receivers: [{ name: 'a', type: 'telegram', bot_token: 'x', chat_id: 'ops' }] }],
    ['an address to probe by another protocol', { probes: [{ url: 'ftp://x.test/' }] }],
    ['an address to probe without a name', { probes: [{ url: 'https://x.test/', name: '' }] }],
    ['a port without a protocol', { known_ports: ['53'] }],
    ['a port with more than a protocol', { known_ports: ['53/tcpx'] }],
    ['a port of six digits', { known_ports: ['153000/tcp'] }],
    ['a user with a space', { known_users: ['a b'] }],
    ['a user with a capital letter', { known_users: ['Ann'] }],
    ['a dashboard without users', { dashboard: { users: {} } }],
    ['a password that nginx cannot verify', { dashboard: { users: { a: 'x'.repeat(512) } } }],
    ['a user of the dashboard with a colon', { dashboard: { users: { 'a:b': 'x' } } }],
    ['a dashboard with an address as its name', { dashboard: { users: { a: 'x' }, name: 'https://mon.example.test/' } }],
    ['a certificate at no absolute path', { dashboard: { users: { a: 'x' }, certificate: 'a.pem' } }],
    ['a certificate with a space', { dashboard: { users: { a: 'x' }, certificate: '/a b.pem' } }],
    ['an unknown option', { known: [] }],
  ])('include %s', (_, written) => expect(monitoring.options.safeParse(written).success).toBe(false))

  it('have defaults that suit a small site', () => {
    const { limits, ...rest } = monitoring.options.parse({})
    expect(rest).toEqual({
      ...{ servers: 'monitoring_servers', port: 9998, interval_seconds: 10, checks_seconds: 30, retention_days: 15, retention_mb: 2048 },
      ...{ memory_mb: 768, receivers: [], repeat_hours: 4, probes: [], known_ports: [], known_users: [], dashboard: false },
      ...{ rules: [], silence: [], quiet_hours: [], targets: [], checks: [], remote_write: [] },
    })
    expect(limits).toEqual({
      ...{ slow_seconds: 1, error_ratio: 0.05, surge: 3, collapse: 0.3, least_qps: 1, disk_free: 0.1, memory_free: 0.05, cpu_steal: 0.2 },
      ...{ clock_seconds: 1, replica_lag_seconds: 30, backup_hours: 26, certificate_life: 0.15, failed_logins: 30, firewall_drops: 20 },
      ...{ security_update_days: 2, reboot_hours: 1, disk_full_hours: 24, served_certificate_hours: 24 },
      ...{ balancer_connections: 0.8, database_connections: 0.8 },
    })
    const mail = { name: 'a', type: 'email', to: ['a@x.test'], from: 'a@x.test', server: 'x.test:25' }
    expect(monitoring.options.parse({ receivers: [mail] }).receivers[0]).toMatchObject({ tls: true, severities: ['critical', 'warning'] })
    expect(monitoring.options.parse({ dashboard: { users: { a: 'x' } } }).dashboard).toMatchObject({ port: 9443, open: false })
  })

  it('do not include two receivers with different names', () => expect(faults({ receivers: [to('a'), to('b')] })).toEqual([]))
})

describe('the YAML', () => {
  const back = (value: Parameters<typeof yaml>[0]) => parse(Buffer.from(bytesOf(yaml(value))).toString())

  it.each([
    [
      'strings that YAML would read as another type',
      { on: 'yes', n: 'null', colon: 'a: b', hash: 'a #b', dash: '- a', empty: '', number: '10', time: '10s' },
    ],
    ['nested values', { a: [{ b: [{ c: [1, 2] }, { d: {} }] }, ['x', ['y']], []] }],
    ['strings that need quotes', { regex: '.+\\.(service|timer)', quotes: `"a" 'b'`, lines: 'a\nb', braces: '{{ $labels.host }}' }],
  ])('keeps %s', (_, value) => expect(back(value)).toEqual(value))

  it('omits undefined values, and masks secrets', () => {
    expect(back({ a: undefined, b: new Secret('x: "y"') })).toEqual({ b: 'x: "y"' })
    expect(shownText(yaml({ b: new Secret('hidden') }))).not.toContain('hidden')
  })
})
