import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { pageOf } from '../../../../../roles/monitoring/dashboard/page.ts'
import { SCRIPT } from '../../../../../roles/monitoring/dashboard/script.ts'
import { ICON, STYLE } from '../../../../../roles/monitoring/dashboard/style.ts'
import monitoring from '../../../../../roles/monitoring/role.ts'
import { rulesOf } from '../../../../../roles/monitoring/rules/all.ts'
import { yaml } from '../../../../../roles/monitoring/yaml.ts'
import { bytesOf } from '../../../../../src/resource/kind/content.ts'
import { type Node, parseHtml } from './browser.ts'

type Measurements = Readonly<Record<string, number>>

const PAGE = pageOf({ receivers: ['mail (email)', 'chat (slack)'], hasHeartbeat: true })
const UNWATCHED = pageOf({ receivers: [], hasHeartbeat: false })

/** The same page with each of these measurements, at 10 seconds after 1970. promtool fills in templates of alerts as Prometheus does those of pages. */
const rendered = (...scenes: readonly Measurements[]): readonly Node[] => renderedAs(PAGE, ...scenes)

const renderedAs = (template: string, ...scenes: readonly Measurements[]): readonly Node[] => {
  const directory = mkdtempSync(join(tmpdir(), 'provision-page-'))
  const alert = { alert: 'Page', expr: 'vector(1)', labels: { severity: 'none' }, annotations: { page: template } }
  const files = {
    'rules.yml': { groups: [{ name: 'page', rules: [alert] }] },
    'tests.yml': {
      ...{ rule_files: ['rules.yml'], evaluation_interval: '10s' },
      tests: scenes.map((scene) => ({
        interval: '10s',
        input_series: Object.entries(scene).map(([series, value]) => ({ series, values: `${value}x2` })),
        alert_rule_test: [{ alertname: 'Page', eval_time: '10s', exp_alerts: [] }],
      })),
    },
  }
  for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), bytesOf(yaml(content)))
  const { stdout, stderr } = spawnSync('promtool', ['test', 'rules', 'tests.yml'], { cwd: directory, encoding: 'utf8' })
  rmSync(directory, { recursive: true })
  // The test expects no alert, so promtool prints the one that it got.
  const pages = [...`${stdout}${stderr}`.matchAll(/page=("(?:[^"\\]|\\.)*")/g)].map(([, page = '']) => parseHtml(JSON.parse(page)))
  if (pages.length !== scenes.length) throw new Error(`${stdout}${stderr}`)
  return pages
}

const ALERT = 'alert:causes{severity='
const WELL: Measurements = {
  'probe_success{job="site",instance="www",host="lb-01"}': 1,
  'probe:seconds:p50{instance="www"}': 0.05,
  'probe:seconds:p95{instance="www"}': 0.25,
  'probe_ssl_earliest_cert_expiry{instance="www",job="site"}': 10 + 30 * 86_400,
  'probe:up:days30{instance="www"}': 0.99987,
  'probe:known:days30{instance="www"}': 30,
  'probe:up:days90{instance="www"}': 1,
  'probe:known:days90{instance="www"}': 44.25,
  'up{job="haproxy",host="lb-01"}': 1,
  'frontend:qps{host="lb-01",proxy="https"}': 12.5,
  'frontend:saturation{host="lb-01",proxy="https"}': 0.25,
  'frontend:saturation{host="lb-01",proxy="http"}': 0.9,
  'nginx_up{host="web-02"}': 1,
  'nginx_up{host="web-01"}': 1,
  'web:qps{host="web-01"}': 6.5,
  'server:response_seconds{host="web-01"}': 0.125,
  'haproxy_server_status{server="web-01",state="UP",proxy="web"}': 1,
  'haproxy_server_status{server="web-01",state="UP",proxy="web.once"}': 0,
  'mysql_up{host="web-01"}': 1,
  'mysql_global_variables_read_only{host="web-01"}': 0,
  'mysql_global_status_wsrep_ready{host="web-01"}': 1,
  'mysql_global_status_wsrep_cluster_size{host="web-01"}': 3,
  'database:qps{host="web-01"}': 30.5,
  'database:saturation{host="web-01"}': 0.1,
  'up{job="node",host="web-01"}': 1,
  'host:cpu_busy{host="web-01"}': 0.42,
  'host:memory_free{host="web-01"}': 0.25,
  'host:disk_free{host="web-01"}': 0.4,
  'host:network_receive_bytes{host="web-01"}': 123_456,
  'host:network_transmit_bytes{host="web-01"}': 48_900_000,
  'provision_checks_done_seconds{host="web-01"}': 2,
  'provision_files_watched{host="web-01"}': 212,
  'provision_firewall_present{host="web-01"}': 1,
  'provision_updates_pending{kind="security",host="web-01"}': 0,
  'provision_updates_pending{kind="other",host="web-01"}': 3,
  'provision_backup_done_seconds{host="web-01"}': -65_510,
  'provision_restore_test_ok{host="web-01"}': 1,
  'provision_certificate_ends_seconds{host="web-01",path="/etc/ssl/a.pem"}': 10 + 43 * 86_400,
  'provision_certificate_ends_seconds{host="web-01",path="/etc/ssl/b.pem"}': 10 + 50 * 86_400,
  ...Object.fromEntries(
    ['nginx', 'mariadb', 'cron', 'sshd'].flatMap((name, i) => [
      [`unit:cpu_cores{host="web-01",unit="${name}.service"}`, 0.5 - i / 10],
      [`provision_unit_memory_bytes{host="web-01",unit="${name}.service"}`, (4 - i) * 11_650_000],
      [`unit:io_bytes{host="web-01",unit="${name}.service"}`, (3 - i) * 1024 + 40],
    ]),
  ),
}
const ILL: Measurements = {
  [`${ALERT}"warning",alertname="SiteSlow",host="lb-01",instance="www"}`]: 1,
  [`${ALERT}"critical",alertname="HostDown",host="web-01",instance="web-01"}`]: 1,
  'probe_success{job="site",instance="www",host="lb-01"}': 0,
  'up{job="haproxy",host="lb-01"}': 0,
  'nginx_up{host="web-01"}': 0,
  'haproxy_server_status{server="web-01",state="UP",proxy="web"}': 0,
  'mysql_up{host="db-01"}': 1,
  'mysql_global_variables_read_only{host="db-01"}': 1,
  'mysql_slave_status_seconds_behind_master{host="db-01",connection_name="a"}': 90,
  'mysql_slave_status_seconds_behind_master{host="db-01",connection_name="b"}': 20,
  'mysql_up{host="db-02"}': 1,
  'mysql_global_status_wsrep_ready{host="db-02"}': 0,
  'mysql_global_status_wsrep_cluster_size{host="db-02"}': 1,
  'mysql_up{host="db-03"}': 0,
  'up{job="mysql",host="db-03"}': 0,
  // The host does not answer.
  'up{job="mysql",host="db-04"}': 0,
  'up{job="nginx",host="web-04"}': 0,
  'up{job="node",host="web-01"}': 0,
  'provision_checks_done_seconds{host="web-01"}': -7200,
  'provision_files_watched{host="web-01"}': 212,
  'provision_file_wrong{host="web-01",path="/a"}': 1,
  'provision_file_wrong{host="web-01",path="/b"}': 1,
  'provision_file_wrong{host="db-01",path="/b"}': 1,
  'provision_package_file_wrong{host="db-01",path="/c"}': 1,
  'provision_port_unknown{host="db-02",port="1/tcp"}': 1,
  'provision_sshd_changed{host="db-03"}': 1,
  'provision_firewall_present{host="db-01"}': 0,
  'provision_updates_pending{kind="security",host="db-01"}': 2,
  'provision_updates_pending{kind="security",host="db-02"}': 0,
  'provision_updates_pending{kind="security",host="db-03"}': 1,
  'provision_security_update_waiting_seconds{host="db-01"}': 187_400,
  'provision_reboot_required{host="db-03"}': 1,
  'provision_backup_done_seconds{host="db-01"}': 0,
  'provision_restore_test_ok{host="db-01"}': 0,
  'provision_certificate_ends_seconds{host="web-01",path="/etc/ssl/a.pem"}': 3600,
}

const text = (node: Node | undefined): string => node?.textContent.replaceAll(/\s+/g, ' ').trim() ?? ''
const classed = (page: Node, name: string): readonly Node[] => page.all.filter(({ attributes }) => attributes.class?.split(' ')[0] === name)
const named = (node: Node, ...names: readonly string[]): readonly Node[] => node.all.filter(({ name }) => names.includes(name))
const marked = (node: Node): string => node.attributes.class?.split(' ').at(-1) ?? ''

const hasPromtool = spawnSync('promtool', ['--version']).status === 0

describe.skipIf(!hasPromtool)('the page of the dashboard', () => {
  // Also the body of a skipped block is executed.
  const [well, ill, empty] = (hasPromtool ? rendered(WELL, ILL, {}) : []) as [Node, Node, Node]
  const stages = (page: Node) =>
    Object.fromEntries(
      classed(page, 'stage').map((stage) => [
        text(named(stage, 'h3')[0]),
        classed(stage, 'part').map((part) => [marked(part), ...named(part, 'b', 'i', 'dt', 'dd').map(text)].join(' | ')),
      ]),
    )

  it('counts the alerts in its title, and lists them, the critical ones first', () => {
    const top = (page: Node) => [text(named(page, 'title')[0]), text(named(page, 'h1')[0]), named(page, 'h1')[0]?.all.map(marked)]
    expect(top(well)).toEqual(['monitoring', 'All is well', ['good']])
    expect(top(ill)).toEqual(['(2) monitoring', '2 problems', ['bad']])
    const alerts = (page: Node) => classed(page, 'alert').map((alert) => [marked(alert), text(alert)])
    expect(alerts(well)).toEqual([])
    expect(alerts(ill)).toEqual([
      ['critical', 'HostDownweb-01 web-01'],
      ['warning', 'SiteSlowlb-01 www'],
    ])
    // Alerts of one name are one problem.
    const [one] = rendered({
      [`${ALERT}"warning",alertname="SiteSlow",host="lb-01"}`]: 1,
      [`${ALERT}"warning",alertname="SiteSlow",host="lb-02"}`]: 1,
    })
    expect(text(named(one as Node, 'h1')[0])).toBe('1 problem')
  })

  it('says that all is well only if alerts have a receiver, and backups and measurements exist', () => {
    const heading = (page: Node | undefined) => page && [text(named(page, 'h1')[0]), named(page, 'h1')[0]?.all.map(marked)]
    const { 'provision_backup_done_seconds{host="web-01"}': _, ...unsaved } = WELL
    const timer = 'node_systemd_unit_state{name="provision-database-backup.timer",state="active",host="web-01"}'
    const up = 'up{job="node",host="web-01"}'
    expect(rendered(unsaved, {}, { [up]: 1, [timer]: 1 }, { [up]: 1 }).map(heading)).toEqual([
      ['No alerts, but no backup exists', ['warn']],
      ['No measurements yet', ['warn']],
      ['No alerts, but no backup exists', ['warn']],
      ['All is well', ['good']],
    ])
    expect(renderedAs(UNWATCHED, WELL, {}).map(heading)).toEqual([
      ['No alerts, but no receiver is configured', ['warn']],
      ['No measurements yet', ['warn']],
    ])
  })

  it('shows the protection of the site, even if nothing is wrong', () => {
    const checks = (page: Node | undefined) =>
      page &&
      named(classed(page, 'checks')[0] as Node, 'dt').map((name, i) => {
        const finding = named(classed(page, 'checks')[0] as Node, 'dd')[i] as Node
        return `${text(name)}: ${marked(finding)}: ${text(finding)}`
      })
    expect(checks(well)).toEqual([
      'alerts go to: well: mail (email), chat (slack)',
      'heartbeat: well: an external service is called every minute',
      'last checked: well: 1 hosts, each within the last 8 s',
      'managed files: well: 212 as the last run left them',
      'files of packages: well: unchanged',
      'ports, accounts, sshd: well: nothing that no role declares',
      'firewall: well: on 1 hosts',
      'security updates: well: none pending; 3 other updates',
      'reboots: well: none needed',
      'backups: well: web-01 18 h 12 min ago, restored and compared',
      'certificates between hosts: well: 2; the first ends in 43 days (/etc/ssl/a.pem on web-01)',
    ])
    expect(checks(ill)?.slice(2)).toEqual([
      'last checked: ill: 1 hosts, each within the last 2 h 0 min',
      'managed files: ill: 3 changed on db-01, web-01',
      'files of packages: ill: 1 changed on db-01',
      'ports, accounts, sshd: ill: 2 unknown or changed on db-02, db-03',
      'firewall: ill: 1 missing on db-01',
      'security updates: ill: 3 pending on db-01, db-03, the oldest for 2 d 4 h',
      'reboots: ill: 1 needed on db-03',
      'backups: ill: no backup exists',
      'certificates between hosts: ill: 1; the first ends in 0 days (/etc/ssl/a.pem on web-01)',
    ])
    const [failed] = rendered({ 'provision_backup_done_seconds{host="db-01"}': 4, 'provision_restore_test_ok{host="db-01"}': 0 })
    expect(checks(failed)).toContain('backups: ill: db-01 6 s ago, the last attempt failed')
    expect(checks(empty)?.slice(2, 4)).toEqual([
      'last checked: well: no host has checked itself',
      'managed files: well: 0 as the last run left them',
    ])
    expect(checks(renderedAs(UNWATCHED, {})[0])?.slice(0, 2)).toEqual([
      'alerts go to: ill: no receiver: add one under monitoring.receivers',
      'heartbeat: none: none: a failure of this host goes unnoticed (monitoring.heartbeat)',
    ])
  })

  it('shows the path of a request: each part with its state and its measurements', () => {
    expect(stages(well)).toEqual({
      'site, as visitors see it': [
        'up | www | answers | median | 50 ms | 95th percentile | 250 ms | certificate | 30 days left | up, 30 days | 99.98% | up, 90 days | 100% of 44 d 6 h known',
      ],
      'load balancers': ['up | lb-01 | up | requests/s | 12.5 | connections | 25% of the limit'],
      'web servers': ['up | web-01 | up | requests/s | 6.5 | response time | 125 ms | in rotation | yes', 'up | web-02 | up'],
      databases: ['up | web-01 | up | queries/s | 30.5 | connections | 10% of the limit | cluster members | 3'],
    })
    expect(stages(ill)).toEqual({
      'site, as visitors see it': ['down | www | does not answer'],
      'load balancers': ['down | lb-01 | down'],
      'web servers': ['down | web-01 | down | in rotation | no', 'down | web-04 | down'],
      databases: [
        'up | db-01 | up, read-only | replication lag | 1 min',
        'up | db-02 | up, refuses queries | cluster members | 1',
        'down | db-03 | down',
        'down | db-04 | down',
      ],
    })
    expect(stages(empty)).toEqual({ 'site, as visitors see it': [], 'load balancers': [], 'web servers': [], databases: [] })
    expect(classed(empty, 'stage').map((stage) => named(stage, 'p').map(text))).toEqual([['none'], ['none'], ['none'], ['none']])
  })

  it('shows for each host what uses its CPU, memory and disk most', () => {
    const hosts = (page: Node) =>
      classed(page, 'host').map((host) => [marked(host), text(named(host, 'h3')[0]), ...named(host, 'tr').map((row) => text(row))])
    expect(hosts(well)).toEqual([
      [
        ...['up', 'web-01 up'],
        'CPU 42% nginx 0.50 coresmariadb 0.40 corescron 0.30 cores',
        'memory 75% nginx 46.6 MBmariadb 34.9 MBcron 23.3 MB',
        'disk 60% nginx 3.11 kB/smariadb 2.08 kB/scron 1.06 kB/s',
        'networkin 123 kB/sout 48.9 MB/s',
        'checked8 s ago',
      ],
    ])
    expect(hosts(ill)).toEqual([['down', 'web-01 does not answer', 'CPU', 'memory', 'disk', 'network', 'checked2 h 0 min ago']])
    // A meter is green, yellow above `low`, and red above `high`.
    expect(named(well, 'meter').map(({ attributes }) => attributes)).toEqual(
      [
        [70, 90, 42],
        [80, 95, 75],
        [80, 90, 60],
      ].map(([low, high, value]) => ({ min: '0', max: '100', low: `${low}`, high: `${high}`, optimum: '0', value: `${value}` })),
    )
  })

  it('links to other periods and to the pages of Prometheus, and to files that it is served with', () => {
    expect(named(well, 'a').map((link) => [text(link), link.attributes.href])).toEqual([
      ...[15, 60, 360, 1440, 10_080].map((minutes, i) => [['15 min', '1 h', '6 h', '1 d', '7 d'][i], `?m=${minutes}`]),
      ['query', '/classic/graph'],
      ['rules', '/classic/alerts'],
    ])
    expect(named(well, 'link', 'script').map(({ attributes }) => attributes.href ?? attributes.src)).toEqual([
      '/static/dashboard.css',
      '/static/icon.svg',
      '/static/dashboard.js',
    ])
    expect(named(well, 'html', 'meta').map(({ attributes }) => Object.values(attributes).join(' '))).toEqual([
      ...['en', 'utf-8', 'viewport width=device-width, initial-scale=1'],
    ])
    expect(named(well, 'section').map(({ attributes }) => attributes.id ?? attributes.class)).toEqual([
      'alerts',
      'silences',
      'way',
      'checks',
      'hosts',
      'curves',
    ])
    expect(named(well, 'h2').map(text)).toEqual(['Path of a request', 'Protection', 'Hosts, by component', 'Charts'])
  })
})

describe('the dashboard', () => {
  it('uses only records that a rule makes', () => {
    const records = Object.values(rulesOf(monitoring.options.parse({}), 3)).flatMap((rules) =>
      rules.flatMap((rule) => ('record' in rule ? [rule.record] : [])),
    )
    const used = `${PAGE}${SCRIPT}`.match(/\b(site|web|frontend|server|probe|database|host|unit|alert):[a-z0-9_:]+/g) ?? []
    expect(used.length).toBeGreaterThan(20)
    expect([...new Set(used)].filter((name) => !records.includes(name))).toEqual([])
  })

  it('has a style for every class of the page, in colours that are defined', () => {
    const classes = [...`${PAGE}${SCRIPT}`.matchAll(/class(?:="|: ')([a-z ]+)/g)].flatMap(([, names = '']) => names.trim().split(' '))
    for (const name of new Set([...classes, 'up', 'down', 'critical']))
      if (!['up', 'warning', 'c'].includes(name)) expect(STYLE).toMatch(new RegExp(`[.]${name}\\b`))
    const defined = (part: string) => [...part.matchAll(/(--[a-z]+):#[0-9a-f]{3,6}/g)].map(([, name]) => name)
    const [light = '', dark = ''] = STYLE.split('\n')
    expect(dark).toMatch(/^@media\(prefers-color-scheme:dark\)/)
    for (const [, name] of STYLE.matchAll(/var\((--[a-z]+)\)/g))
      expect([defined(light), defined(dark)].map((all) => all.includes(name))).toEqual([true, true])
    for (const i of [0, 1, 2, 3, 4, 5, 6, 7]) expect(STYLE).toMatch(new RegExp(`[.]c${i}\\{color:#[0-9a-f]{6}\\}`))
  })

  it('marks what is down, and fits a phone', () => {
    const rules = new Map<string, Record<string, string>>()
    // Each line of the style is one or several rules; the first two have the colours.
    for (const line of STYLE.trim().split('\n').slice(2)) {
      if (line.startsWith('@media')) continue
      expect(line).toMatch(/^([^{}]+\{([a-z-]+:[^;{}]+;?)+\})+$/)
      for (const [, selectors = '', body = ''] of line.matchAll(/([^{}]+)\{([^{}]+)\}/g))
        for (const selector of selectors.split(','))
          rules.set(selector, {
            ...rules.get(selector),
            ...Object.fromEntries(body.split(';').map((one) => [one.slice(0, one.indexOf(':')), one.slice(one.indexOf(':') + 1)])),
          })
    }
    const valuesOf = (name: string, ...selectors: readonly string[]) => selectors.map((selector) => rules.get(selector)?.[name])
    expect(valuesOf('color', '.good', '.bad', 'i', '.down i', '.alert.critical h3', '.alert h3')).toEqual(
      ['good', 'bad', 'good', 'bad', 'bad', 'warn'].map((name) => `var(--${name})`),
    )
    expect(valuesOf('border-color', '.part.down', '.host.down', '.alert.critical')).toEqual(Array.from({ length: 3 }, () => 'var(--bad)'))
    expect(valuesOf('border-left', '.alert', '.part')).toEqual(['5px solid var(--warn)', '5px solid var(--good)'])
    expect(valuesOf('display', '.way', '.hosts', '#curves', 'dl', 'header', 'nav', 'ul', '.effects', '.box svg')).toEqual([
      ...['grid', 'grid', 'grid', 'grid', 'flex', 'flex', 'flex', 'block', 'block'],
    ])
    // Columns are never wider than the screen, and long names are broken.
    for (const columns of valuesOf('grid-template-columns', '.hosts', '#curves'))
      expect(columns).toMatch(/^repeat\(auto-fi.+,minmax\(min\(100%,\d+px\),1fr\)\)$/)
    expect(valuesOf('overflow-wrap', '.alert', '.part b', '.part i', '.box', 'li')).toEqual(Array.from({ length: 5 }, () => 'anywhere'))
    expect(valuesOf('flex-wrap', 'header', 'nav', 'ul')).toEqual(['wrap', 'wrap', 'wrap'])
    expect(valuesOf('width', 'table', '.box svg')).toEqual(['100%', '100%'])
    expect(rules.get('*')).toEqual({ 'box-sizing': 'border-box' })
    expect(rules.get('body')).toMatchObject({ background: 'var(--page)', color: 'var(--text)' })
    for (const background of valuesOf('background', '.stage', '.host', 'figure', '.alert', 'nav a')) expect(background).toBe('var(--card)')
    // A line has the colour of its entry in the legend.
    expect(rules.get('.line')).toMatchObject({ fill: 'none', stroke: 'currentColor' })
    expect(rules.get('li::before')).toMatchObject({ content: '""', background: 'currentColor' })
    expect(rules.get('.grid')).toMatchObject({ stroke: 'var(--line)' })
  })

  it('has an icon', () => {
    const [icon] = parseHtml(ICON).children
    expect(icon).toMatchObject({ name: 'svg', attributes: { xmlns: 'http://www.w3.org/2000/svg', viewBox: '0 0 16 16' } })
  })
})
