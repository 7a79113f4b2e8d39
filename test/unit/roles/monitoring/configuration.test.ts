import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { alertmanagerConfig } from '../../../../roles/monitoring/alertmanager.ts'
import monitoring from '../../../../roles/monitoring/role.ts'
import { alertsOf } from '../../../../roles/monitoring/rules/all.ts'
import { capabilitiesOf } from '../../../../roles/monitoring/versions.ts'
import { yaml } from '../../../../roles/monitoring/yaml.ts'
import { bytesOf } from '../../../../src/resource/kind/content.ts'
import type { Exposed, HostView } from '../../../../src/role/role.ts'
import { declared, LB, parsed, textOf, WEB } from './context.ts'

const [WEB_1, WEB_2] = WEB as [HostView, HostView]
const hasPromtool = spawnSync('promtool', ['--version']).status === 0
const directory = mkdtempSync(join(tmpdir(), 'provision-configuration-'))
afterAll(() => rmSync(directory, { recursive: true }))

const onWeb = { host: 'web-02', role: 'x' } as const
const exposed: readonly Exposed[] = [
  { type: 'metrics', job: 'shop', format: 'prometheus', at: 'http://127.0.0.1:9200/metrics?all=1', ...onWeb },
  { type: 'metrics', job: 'plain', format: 'prometheus', at: 'http://127.0.0.1/m', ...onWeb },
  { type: 'metrics', job: 'nginx', format: 'nginx-status', at: 'http://127.0.0.1:8081/', ...onWeb },
  { type: 'metrics', job: 'mysql', format: 'mysqld', at: '/run/mysqld/mysqld.sock', ...onWeb },
  {
    ...{ type: 'probe', name: 'www', of: 'site', url: 'https://10.0.0.11/', server: 'www.test', trusts: 'anybody' },
    host: 'lb-01',
    role: 'x',
  },
  {
    ...{ type: 'probe', name: 'web-02', of: 'direct', url: 'https://[fd00::13]:8443/healthz', server: 'web-02.edge.test' },
    ...{ trusts: { domain: 'edge' }, ...onWeb },
  },
  {
    ...{ type: 'probe', name: 'moved', of: 'site', url: 'https://10.0.0.11/old', server: 'old.test', trusts: 'public', status: 302 },
    ...onWeb,
  },
]
const server = declared(LB, { probes: [{ url: 'https://www.test/' }, { url: 'http://x.test/', name: 'x' }], port: 9997 }, { exposed })

describe('the proxy of a host', () => {
  it('serves each measurement by the name of its job, from the port of its exporter', () => {
    const modules = (of: HostView) =>
      Object.entries(parsed(declared(of, {}, { exposed }), 'file:/etc/prometheus/exporter-exporter.yml').modules)
    const module = (job: string, port: number, path = '/metrics') => [
      job,
      { method: 'http', timeout: '8s', http: { address: '127.0.0.1', port, path, verify: false } },
    ]
    expect(modules(WEB_2)).toEqual([
      ...[module('node', 9100), module('shop', 9200, '/metrics?all=1'), module('plain', 80, '/m')],
      ...[module('nginx', 9113), module('mysql', 9104)],
    ])
    expect(modules(LB)).toEqual([module('node', 9100), module('prometheus', 9090), module('alertmanager', 9093)])
    expect(modules(WEB_1)).toEqual([module('node', 9100)])
  })
})

describe('the configuration of Prometheus', () => {
  const config = parsed(server, 'file:/etc/prometheus/prometheus.yml')

  it('reads every module of every host with the certificate of the server, at the name and address of the host', () => {
    const job = (name: string, on: string, address: string) => ({
      ...{ job_name: `${name}/${on}`, scheme: 'https', metrics_path: '/proxy', params: { module: [name] } },
      tls_config: {
        ...{ ca_file: '/etc/ssl/metrics/authority.pem', cert_file: '/etc/ssl/metrics/ask.pem', key_file: '/etc/ssl/metrics/ask.pem.key' },
        server_name: `${on}.metrics.provision.internal`,
      },
      static_configs: [{ targets: [address], labels: { job: name, host: on, instance: on } }],
    })
    expect(config.scrape_configs.filter(({ job_name }: { job_name: string }) => !job_name.startsWith('probe/'))).toEqual([
      ...['node', 'prometheus', 'alertmanager'].map((name) => job(name, 'lb-01', '10.0.0.11:9997')),
      job('node', 'web-01', '10.0.0.12:9997'),
      ...['node', 'shop', 'plain', 'nginx', 'mysql'].map((name) => job(name, 'web-02', '[fd00::13]:9997')),
    ])
  })

  it('asks the blackbox exporter for every probe', () => {
    const job = (module: string, ...targets: readonly (readonly [target: string, job: string, host: string, instance: string])[]) => ({
      ...{ job_name: `probe/${module}`, metrics_path: '/probe', params: { module: [module] } },
      static_configs: targets.map(([target, of, host, instance]) => ({ targets: [target], labels: { job: of, host, instance } })),
      relabel_configs: [
        { source_labels: ['__address__'], target_label: '__param_target' },
        { target_label: '__address__', replacement: '127.0.0.1:9115' },
      ],
    })
    expect(config.scrape_configs.filter(({ job_name }: { job_name: string }) => job_name.startsWith('probe/'))).toEqual([
      job(
        'ping',
        ...[LB, WEB_1, WEB_2].map(({ name, addresses }): [string, string, string, string] => [addresses[0] ?? '', 'ping', name, name]),
      ),
      job('https-www.test', ['https://10.0.0.11/', 'site', 'lb-01', 'www']),
      job('https-web-02.edge.test', ['https://[fd00::13]:8443/healthz', 'direct', 'web-02', 'web-02']),
      job('https-old.test', ['https://10.0.0.11/old', 'site', 'web-02', 'moved']),
      job('url', ['https://www.test/', 'site', 'elsewhere', 'https://www.test/'], ['http://x.test/', 'site', 'elsewhere', 'x']),
    ])
  })

  it('evaluates the rules at the interval of the measurements, and sends alerts to Alertmanager', () => {
    const { scrape_configs: _, ...rest } = config
    expect(rest).toEqual({
      global: { scrape_interval: '10s', evaluation_interval: '10s', scrape_timeout: '9s' },
      rule_files: ['/etc/prometheus/provision/rules.yml'],
      alerting: { alertmanagers: [{ static_configs: [{ targets: ['127.0.0.1:9093'] }] }] },
    })
    // A measurement must end before the next one begins.
    expect(parsed(declared(LB, { interval_seconds: 5 }), 'file:/etc/prometheus/prometheus.yml').global).toEqual({
      ...{ scrape_interval: '5s', evaluation_interval: '5s', scrape_timeout: '4s' },
    })
  })

  it.skipIf(!hasPromtool)('is valid for promtool, with its rules', () => {
    const moved = (text: string) => text.replaceAll('/etc/prometheus', directory)
    mkdirSync(join(directory, 'provision'), { recursive: true })
    for (const name of ['prometheus.yml', 'provision/rules.yml'])
      writeFileSync(join(directory, name), moved(textOf(server, `file:/etc/prometheus/${name}`)))
    const said = spawnSync('promtool', ['check', 'config', '--syntax-only', join(directory, 'prometheus.yml')], { encoding: 'utf8' })
    expect([said.status, said.stderr]).toEqual([0, ''])
  })
})

describe('the configuration of the blackbox exporter', () => {
  it('has a module for pings, for addresses of the options, and for each probe that a role exposes', () => {
    const http = (more: object) => ({
      prober: 'http',
      timeout: '8s',
      http: { valid_http_versions: ['HTTP/1.1', 'HTTP/2.0'], follow_redirects: true, ...more },
    })
    expect(parsed(server, 'file:/etc/prometheus/blackbox.yml').modules).toEqual({
      ping: { prober: 'icmp', timeout: '3s' },
      url: http({}),
      'https-www.test': http({
        headers: { Host: 'www.test' },
        valid_status_codes: [200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 401, 403, 404],
        tls_config: { server_name: 'www.test', insecure_skip_verify: true },
      }),
      'https-web-02.edge.test': http({
        headers: { Host: 'web-02.edge.test' },
        valid_status_codes: [200],
        tls_config: {
          ...{ server_name: 'web-02.edge.test', ca_file: '/etc/ssl/metrics/ask-edge-authority.pem' },
          ...{ cert_file: '/etc/ssl/metrics/ask-edge.pem', key_file: '/etc/ssl/metrics/ask-edge.pem.key' },
        },
      }),
      'https-old.test': http({
        ...{ headers: { Host: 'old.test' }, valid_status_codes: [302], follow_redirects: false },
        tls_config: { server_name: 'old.test' },
      }),
    })
  })
})

describe('the cluster of Alertmanagers', () => {
  it('speaks mutual TLS under one name', () => {
    const two = declared(LB, {}, { servers: [LB, WEB_2] })
    const files = { cert_file: '/etc/ssl/metrics/alertmanager.pem', key_file: '/etc/ssl/metrics/alertmanager.pem.key' }
    const authority = '/etc/ssl/metrics/authority.pem'
    expect(parsed(two, 'file:/etc/prometheus/provision/alertmanager-cluster.yml')).toEqual({
      tls_server_config: { ...files, client_ca_file: authority, client_auth_type: 'RequireAndVerifyClientCert' },
      tls_client_config: { ...files, ca_file: authority, server_name: 'alertmanager.metrics.provision.internal' },
    })
  })
})

const receivers = [
  { name: 'phone', type: 'webhook', url: 'https://hook.test/1', severities: ['critical'], ca_file: 'a/b.pem' },
  { name: 'chat', type: 'slack', url: 'https://slack.test/2', channel: '#ops', ca_file: 'a/b.pem' },
  {
    name: 'mail',
    type: 'email',
    to: ['a@x.test', 'b@x.test'],
    from: 'm@x.test',
    server: 'x.test:587',
    user: 'm',
    password: 'p',
    ca_file: 'c.pem',
  },
  { name: 'open', type: 'email', to: ['c@x.test'], from: 'm@x.test', server: 'x.test:25', tls: false },
  { name: 'hook', type: 'webhook', url: 'https://hook.test/3' },
]
const configOf = (options: object, page?: string) =>
  parse(Buffer.from(bytesOf(alertmanagerConfig(monitoring.options.parse(options), page))).toString())

describe('the configuration of Alertmanager', () => {
  const config = configOf({ receivers, heartbeat: 'https://beat.test/9', repeat_hours: 1.5, interval_seconds: 30 })

  it('groups the alerts of a host, and sends each to the receivers of its severity', () => {
    const test = (receiver: string) => ({ receiver, matchers: ['alertname="TestAlert"', `receiver="${receiver}"`], group_wait: '0s' })
    const alerts = (receiver: string, severities: string) => ({ receiver, matchers: [`severity=~"${severities}"`], continue: true })
    expect(config.route).toEqual({
      ...{
        receiver: 'nobody',
        group_by: ['alertname', 'host', 'instance'],
        group_wait: '5s',
        group_interval: '30s',
        repeat_interval: '90m',
      },
      routes: [
        {
          ...{ receiver: 'heartbeat', matchers: ['alertname="Watchdog"'] },
          ...{ group_wait: '0s', group_interval: '1m', repeat_interval: '50s' },
        },
        ...receivers.map(({ name }) => test(name)),
        { receiver: 'nobody', matchers: ['severity="none"'] },
        alerts('phone', 'critical'),
        ...['chat', 'mail', 'open', 'hook'].map((name) => alerts(name, 'critical|warning')),
      ],
    })
    const { route, receivers: none } = configOf({ interval_seconds: 5 })
    expect([route.group_interval, route.repeat_interval, route.routes, none]).toEqual([
      ...['10s', '240m', [{ receiver: 'nobody', matchers: ['severity="none"'] }], [{ name: 'nobody' }]],
    ])
  })

  it('reaches each receiver in its own way, encrypted, and trusts its authority', () => {
    const trust = (name: string) => ({ tls_config: { ca_file: `/etc/prometheus/provision/receiver-${name}.pem` } })
    const text = expect.stringContaining('.Annotations.runbook')
    const title = expect.stringContaining('.Annotations.summary')
    const mail = { from: 'm@x.test', send_resolved: true, headers: { Subject: title }, text, html: '' }
    const first = { ...mail, smarthost: 'x.test:587', require_tls: true, ...trust('mail'), auth_username: 'm', auth_password: 'p' }
    expect(config.receivers).toEqual([
      { name: 'nobody' },
      { name: 'heartbeat', webhook_configs: [{ url: 'https://beat.test/9', send_resolved: false }] },
      { name: 'phone', webhook_configs: [{ url: 'https://hook.test/1', send_resolved: true, http_config: trust('phone') }] },
      {
        name: 'chat',
        slack_configs: [
          {
            api_url: 'https://slack.test/2',
            channel: '#ops',
            send_resolved: true,
            title,
            title_link: '',
            text,
            http_config: trust('chat'),
          },
        ],
      },
      {
        name: 'mail',
        email_configs: [
          { to: 'a@x.test', ...first },
          { to: 'b@x.test', ...first },
        ],
      },
      { name: 'open', email_configs: [{ to: 'c@x.test', ...mail, smarthost: 'x.test:25', require_tls: false }] },
      { name: 'hook', webhook_configs: [{ url: 'https://hook.test/3', send_resolved: true }] },
    ])
  })

  it('calls incident services and chats by their own interfaces', () => {
    const named = { name: 'x', severities: ['critical'] }
    const of = (one: object) => configOf({ receivers: [{ ...named, ...one }] }).receivers[1]
    const title = expect.stringContaining('.Annotations.summary')
    expect(of({ type: 'pagerduty', routing_key: 'k' }).pagerduty_configs).toEqual([
      {
        routing_key: 'k',
        client_url: '',
        severity: expect.stringContaining('critical'),
        description: title,
        details: { alerts: expect.any(String) },
        send_resolved: true,
      },
    ])
    expect(of({ type: 'opsgenie', api_key: 'k', url: 'https://api.eu.opsgenie.com/' }).opsgenie_configs).toMatchObject([
      { api_key: 'k', api_url: 'https://api.eu.opsgenie.com/', message: title, priority: expect.stringContaining('P1') },
    ])
    expect(of({ type: 'discord', url: 'https://discord.test/1' }).discord_configs).toMatchObject([
      { webhook_url: 'https://discord.test/1', title },
    ])
    expect(of({ type: 'teams', url: 'https://teams.test/1' }).msteamsv2_configs).toMatchObject([
      { webhook_url: 'https://teams.test/1', title },
    ])
  })

  it('authenticates to webhooks, and calls ntfy and Telegram', () => {
    const of = (one: object) => configOf({ receivers: [{ name: 'x', ...one }] }).receivers[1]
    const hook = { type: 'webhook', url: 'https://hook.test/' }
    expect(of({ ...hook, auth: { token: 't' }, ca_file: 'a.pem' }).webhook_configs[0].http_config).toEqual({
      authorization: { type: 'Bearer', credentials: 't' },
      tls_config: { ca_file: '/etc/prometheus/provision/receiver-x.pem' },
    })
    expect(of({ ...hook, auth: { user: 'ann', password: 'p' } }).webhook_configs[0].http_config).toEqual({
      basic_auth: { username: 'ann', password: 'p' },
    })
    const ntfy = (more: object) => new URL(of({ type: 'ntfy', url: 'https://ntfy.test/topic', ...more }).webhook_configs[0].url)
    expect(ntfy({}).href).toMatch(/^https:\/\/ntfy\.test\/topic\?tpl=yes&p=4&t=%7B%7B%20/)
    expect(ntfy({ url: 'https://ntfy.test/topic?x=1', priority: 5 }).search).toMatch(/^\?x=1&tpl=yes&p=5&t=/)
    expect(ntfy({}).searchParams.get('m')).toContain('{{ .annotations.summary }}')
    const api = { bot_token: '1:t', chat_id: -100, url: 'https://telegram.test' }
    expect(of({ type: 'telegram', ...api }).telegram_configs).toEqual([
      {
        ...{ bot_token: '1:t', chat_id: -100, api_url: 'https://telegram.test', parse_mode: '', send_resolved: true },
        message: expect.stringContaining('.Annotations.summary'),
      },
    ])
  })

  it.each([
    ['debian', '12', ['teams']],
    ['debian', '13', []],
    ['debian', '', []],
    ['ubuntu', '22.04', ['discord', 'telegram', 'teams']],
    ['ubuntu', '24.04', ['teams']],
    ['ubuntu', '26.04', []],
  ] as const)('lacks types of receivers on %s %s: %j', (distribution, release, missing) => {
    expect(capabilitiesOf({ distribution, release }).missingReceivers).toEqual(missing)
  })

  it('holds the effects of a cause back on the same host', () => {
    const names = alertsOf(monitoring.options.parse({})).map(({ alert }) => alert)
    const isMatched = (alert: string, matchers: readonly string[]) =>
      matchers.every((matcher) => {
        const [, isNot, pattern = ''] = /^alertname(?:=~|(!~))"(.+)"$/.exec(matcher) ?? []
        return new RegExp(`^(?:${pattern})$`).test(alert) !== (isNot === '!~')
      })
    const held = Object.fromEntries(
      names.flatMap((cause) => {
        const rules = config.inhibit_rules.filter((rule: { source_matchers: string[] }) => isMatched(cause, rule.source_matchers))
        const effects = names.filter((name) => rules.some((rule: { target_matchers: string[] }) => isMatched(name, rule.target_matchers)))
        return effects.length === 0 ? [] : [[cause, effects.join(' ')]]
      }),
    )
    const backups = 'BackupTooOld BackupMissing'
    expect(held).toEqual({
      HostDown: names.filter((name) => name !== 'HostDown').join(' '),
      AgentDown: 'ExporterDown ChecksStale',
      DiskFull: 'DiskFillsUp UnitFailed',
      SiteDown: 'SiteSlow VisitorsWait ErrorRatio QpsCollapse',
      HaproxyDown: 'ExporterDown UnitFailed SiteDown QpsCollapse',
      NginxDown: 'ExporterDown UnitFailed WebServerDown BackendServerDown',
      WebServerDown: 'BackendServerDown',
      MysqlDown: 'ExporterDown UnitFailed ReplicaStopped ReplicaLags GaleraNotReady GaleraDegraded DatabaseConnections',
      PostgresqlDown: 'ExporterDown UnitFailed PostgresqlReplicaStopped',
      ArbitratorDown: 'UnitFailed',
      BackupTimerStopped: backups,
      FileBackupTimerStopped: 'FileBackupMissing',
      RestoreTestFailed: backups,
      CertificateExpired: 'CertificateNotRenewed',
    })
    for (const rule of config.inhibit_rules) expect(rule.equal).toEqual(['host'])
  })
})

describe.skipIf(!hasPromtool)('the message of an alert', () => {
  /** Subject and text, with these alerts as series. promtool fills in templates of alerts, which have other fields than those of messages. */
  const messages = (...scenes: readonly (readonly [status: string, alerts: readonly string[]])[]) => {
    const [, , mail] = configOf(
      { receivers: [{ ...receivers[3], name: 'x' }], heartbeat: 'http://x.test' },
      'https://lb-01:9443/',
    ).receivers
    const { headers, text } = mail.email_configs[0]
    const of = (template: string, status: string) =>
      template
        .replaceAll('.Alerts.Firing', '(query "alert" | sortByLabel "n")')
        .replaceAll('.Alerts', '(query "alert" | sortByLabel "n")')
        .replaceAll('.Annotations', '.Labels')
        .replaceAll('.CommonLabels.severity', '"critical"')
        .replaceAll('.CommonLabels.alertname', '"HostDown"')
        .replaceAll(/\.(Starts|Ends)At\.UTC\.Format/g, 'printf')
        .replaceAll('.Status', `"${status}"`)
    const rules = scenes.map(([status], i) => ({
      ...{ alert: `Message${i}`, expr: 'vector(1)' },
      annotations: { subject: of(headers.Subject, status), text: of(text, status) },
    }))
    writeFileSync(join(directory, 'message.yml'), bytesOf(yaml({ groups: [{ name: 'm', rules }] })))
    const tests = scenes.map(([, alerts], i) => ({
      interval: '10s',
      input_series: alerts.map((summary, n) => ({ series: `alert{n="${n}",summary="${summary}",runbook="repair ${n}"}`, values: '1x2' })),
      alert_rule_test: [{ alertname: `Message${i}`, eval_time: '10s', exp_alerts: [] }],
    }))
    writeFileSync(join(directory, 'message.tests.yml'), bytesOf(yaml({ rule_files: ['message.yml'], evaluation_interval: '10s', tests })))
    const { stdout, stderr } = spawnSync('promtool', ['test', 'rules', 'message.tests.yml'], { cwd: directory, encoding: 'utf8' })
    return [...`${stdout}${stderr}`.matchAll(/subject=("(?:[^"\\]|\\.)*"), text=("(?:[^"\\]|\\.)*")/g)].map(
      ([, subject = '', body = '']) => [JSON.parse(subject), ...JSON.parse(body).split('\n')],
    )
  }

  it('names severity, summary, time and runbook, and links to the dashboard', () => {
    // The layout of a time is the time itself in Go.
    const since = 'Since 15:04:05 MST, 2 January'
    const link = ['See https://lb-01:9443/#HostDown', '']
    expect(messages(['firing', ['web-01 is down']], ['firing', ['/ is full', '/var is full']], ['resolved', ['web-01 is down']])).toEqual([
      ['CRITICAL: web-01 is down', 'web-01 is down', since, '', 'What to do: repair 0', '', ...link],
      [
        'CRITICAL: / is full (2 alerts)',
        ...['/ is full', '/var is full'].flatMap((summary, i) => [summary, since, '', `What to do: repair ${i}`]),
        ...['', ...link],
      ],
      ['RESOLVED: web-01 is down', 'web-01 is down', `${since}, resolved at 15:04:05`, '', ...link],
    ])
    expect(JSON.stringify(configOf({ receivers }).receivers)).not.toContain('See http')
    const services = [
      { name: 'a', type: 'slack', url: 'x', channel: '#ops' },
      { name: 'b', type: 'pagerduty', routing_key: 'k' },
      { name: 'c', type: 'opsgenie', api_key: 'k' },
    ]
    const [, chat, duty, genie] = configOf({ receivers: services }, 'https://lb-01:9443/').receivers
    expect([chat.slack_configs[0].title_link, duty.pagerduty_configs[0].client_url, genie.opsgenie_configs[0].source]).toEqual(
      Array.from({ length: 3 }, () => 'https://lb-01:9443/#{{ .CommonLabels.alertname }}'),
    )
  })
})
