import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import monitoring from '../../roles/monitoring/role.ts'
import { leaderOf } from '../../src/lab/index.ts'
import { bytesOf } from '../../src/resource/kind/content.ts'
import { promtoolFiles } from '../alerts/promtool.ts'
import { installCommand } from './support/install-command.ts'
import { down, up } from './support/lab.ts'
import { answering } from './support/network/nmap.ts'
import { siteWithOutsider } from './support/network/outsider.ts'
import { changes } from './support/project.ts'
import { AUTHORITY, ownCertificate } from './support/services/mailbox.ts'
import { type Receiver, receiver, type Told } from './support/services/receiver.ts'
import { type Slack, slack } from './support/services/slack.ts'

const SUBNET = '10.79.61'
const LB = `${SUBNET}.11`
const WEB = `${SUBNET}.12`
const { project, spec } = siteWithOutsider('t-monitor', SUBNET)
const CHAT = { path: '/services/T0/B0/a-poison-word', channel: '#operations', ...ownCertificate(project, [`${SUBNET}.1`]) }
let hook: Receiver
let chat: Slack
let since = 0

/** Faster than the defaults, which the long form of this test measures. */
const OPTIONS = `  monitoring:
    interval_seconds: 5
    checks_seconds: 10
    heartbeat: http://${SUBNET}.1:5990/
    receivers:
      - { name: phone, type: webhook, url: 'http://${SUBNET}.1:5990/' }
      - { name: chat, type: slack, url: 'https://${SUBNET}.1:5992${CHAT.path}', channel: '${CHAT.channel}', ca_file: ${AUTHORITY} }
    dashboard: { users: { ann: 'open "sesame"', bob: only for reading }, may_silence: [ann] }
`

beforeAll(async () => {
  installCommand('chromium')
  installCommand('nmap')
  const inventory = readFileSync(join(project.root, 'inventory/site.yaml'), 'utf8').replace(/^ {2}monitoring:\n(?: {4}.*\n)+/m, '')
  project.write('inventory/site.yaml', inventory.replace('  firewall:\n', `${OPTIONS}  firewall:\n`))
  // Accounts and hardening have separate tests.
  const playbook = readFileSync(join(project.root, 'playbooks/site.yaml'), 'utf8')
  project.write('playbooks/site.yaml', playbook.replace('[firewall, base]', '[firewall]'))
  await up(spec)
  hook = await receiver(`${SUBNET}.1`, 5990)
  chat = await slack(`${SUBNET}.1`, 5992, CHAT)
})
afterAll(async () => {
  hook?.close()
  chat?.close()
  await down(spec)
  project.remove()
})

const on = (host: string, command: string): string => {
  const { status, stdout, stderr } = project.provision('exec', host, '--sudo', '--', 'sh', '-c', command)
  if (status !== 0) throw new Error(`${command}: ${stdout}${stderr}`)
  return stdout
}

/** Ports that the firewall opens to outsiders besides the site itself, by address. */
const seen = async () => {
  const from = await leaderOf(spec, 'outsider')
  return [...(await answering({ from, addresses: [LB, WEB], ports: '3306,4444,9000-10000', protocol: 'tcp' }))]
}

interface Sent {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

/** The page as an administrator gets it, verified with the site's own authority. */
const page = (path: string, auth?: string, sent?: Sent): Promise<{ readonly status: number | undefined; readonly body: string }> =>
  new Promise((resolve, reject) => {
    const ca = readFileSync(join(project.root, 'identities/authority-metrics-1.pem'))
    const servername = 'lb-01.metrics.provision.internal'
    const asked = request(
      { host: LB, port: 9443, path, ca, servername, agent: false, ...(auth === undefined ? {} : { auth }), ...sent },
      (response) => {
        let body = ''
        response.on('data', (bytes: Buffer) => (body += bytes.toString())).on('end', () => resolve({ status: response.statusCode, body }))
      },
    )
    asked.on('error', reject).end(sent?.body)
  })

describe('the monitoring of three hosts', () => {
  it('is created by one run exactly as predicted, and then there is nothing to do', () => {
    const predicted = changes(project.json('run', '--dry-run').lines, 'planned')
    const run = project.json('run')
    expect(run.stderr).toBe('')
    expect(run.status).toBe(0)
    expect(changes(run.lines, 'applied')).toEqual(predicted)
    expect(predicted).toContain('web-02 update service:prometheus-nginx-exporter.service')
    expect(changes(project.json('run').lines, 'planned')).toEqual([])
  })

  it('finds all targets up and all rules loaded, and each receiver gets a test alert', async () => {
    // It also sends test alerts, so the test must serve requests meanwhile.
    const verified = async () => (await project.provisionBeside('verify', '--role', 'monitoring')).stdout
    const reached = ['phone (webhook)', 'chat (slack)'].map((one) =>
      expect.stringContaining(`✔ lb-01   monitoring  a test alert reaches ${one}`),
    )
    await expect
      .poll(async () => (await verified()).split('\n'), { timeout: 90_000, interval: 3000 })
      .toEqual(expect.arrayContaining(reached))
    const words = 'test: the monitoring on lb-01 reaches you'
    expect(hook.told.map(({ annotations }) => annotations.summary)).toContain(words)
    expect(chat.posted.map(({ title }) => title)).toContain(`NONE: ${words}`)
  })

  it('gets three faults, which the next tests expect as alerts', () => {
    since = Date.now()
    on('web-02', 'systemctl stop nginx')
    on('web-01', 'echo "# by hand" >>/etc/nginx/nginx.conf')
    on('lb-01', "systemd-run -q --unit=stray perl -MIO::Socket -e 'IO::Socket::INET->new(LocalPort => 4444, Listen => 1) and sleep 900'")
  })

  it('has rules that pass their tests', () => {
    // Evaluating a whole day of measurements would take minutes.
    const options = monitoring.options.parse({ limits: { backup_hours: 0.2 } })
    const files = Object.entries(promtoolFiles(options))
    const written = files.map(([name, content]) => `echo ${gzipSync(bytesOf(content)).toString('base64')} | base64 -d | gunzip >${name}\n`)
    const said = on('lb-01', `cd "$(mktemp -d)"\n${written.join('')}promtool test rules *.tests.yml 2>&1`)
    expect(said.match(/SUCCESS/g)).toHaveLength(files.filter(([name]) => name.endsWith('.tests.yml')).length)
  })

  it('refuses outsiders, and hosts that are not monitoring servers', async () => {
    expect(await seen()).toEqual([LB, WEB].map((address) => [address, []]))
    // Hosts refuse one that is not a monitoring server, even with its own certificate of the same authority.
    const stranger = `timeout 5 openssl s_client -connect ${SUBNET}.12:9998 </dev/null 2>&1 | grep -c 'Verify return code' || true`
    expect(on('web-02', stranger).trim()).toBe('0')
  })

  it('has a dashboard over HTTPS, with a password', async () => {
    expect((await page('/')).status).toBe(401)
    expect((await page('/api/v1/query?query=up', 'ann:sesame')).status).toBe(401)
    const { status, body } = await page('/', 'ann:open "sesame"')
    expect(status).toBe(200)
    for (const word of ['www.example.test', 'lb-01', 'web-01', 'web-02']) expect(body).toContain(`<b>${word}</b>`)
    expect(body).not.toMatch(/error|<no value>/i)
  })

  it.each([
    ['a wide screen', 1400],
    ['a phone', 390],
  ])('is drawn whole by a browser on %s, and fits', (_, width) => {
    const address = `https://ann:open%20%22sesame%22@${LB}:9443/`
    const { stdout } = spawnSync(
      'chromium',
      [
        ...CHROMIUM,
        `--window-size=${width},2000`,
        '--virtual-time-budget=10000',
        `--screenshot=${project.root}/page-${width}.png`,
        '--dump-dom',
        address,
      ],
      { encoding: 'utf8', timeout: 60_000 },
    )
    expect(stdout).toContain('data-drawn="yes"')
    expect(stdout.match(/<polyline /g)?.length).toBeGreaterThan(10)
    expect(stdout).not.toMatch(/TypeError|Prometheus returned status/)
    expect(stdout).toContain('data-fits="yes"')
  })
})

const CHROMIUM = ['--headless=new', '--no-sandbox', '--disable-gpu', '--ignore-certificate-errors']

describe('administrators', () => {
  it('get one alert per fault, by its cause, and its end', async () => {
    const told = await Promise.all([
      hook.await(since, 'firing', 'NginxDown', 'web-02', 60),
      hook.await(since, 'firing', 'ManagedFileWrong', 'web-01', 120),
      hook.await(since, 'firing', 'UnknownPort', 'lb-01', 120),
    ])
    for (const { labels, at } of told) process.stdout.write(`${labels.alertname} after ${((at - since) / 1000).toFixed(1)} s\n`)
    expect(told.map(({ annotations }) => annotations.summary)).toEqual([
      'nginx on web-02 is down',
      '/etc/nginx/nginx.conf on web-01 is not as the last run left it: changed',
      'perl listens on 4444/tcp of lb-01, which no role declares',
    ])
    const [nginx = ''] = told.map(({ annotations }) => annotations.summary)
    await expect
      .poll(() => chat.posted.filter(({ title }) => title === `CRITICAL: ${nginx}`))
      .toMatchObject([{ title_link: `https://${LB}:9443/#NginxDown` }])
    // A run repairs managed resources and opens the page, and its own changes raise no alert.
    on('lb-01', 'systemctl stop stray')
    const inventory = readFileSync(join(project.root, 'inventory/site.yaml'), 'utf8')
    project.write(
      'inventory/site.yaml',
      inventory
        .replace('        content: playbooks/site\n', '        content: playbooks/site\n        gzip: false\n')
        .replace('    dashboard: { users', '    dashboard: { open: true, users'),
    )
    const mended = Date.now()
    const run = project.json('run')
    expect(changes(run.lines, 'applied')).toContain('web-02 update file:/etc/nginx/provision/site.conf')
    await Promise.all([
      hook.await(mended, 'resolved', 'NginxDown', 'web-02', 90),
      hook.await(mended, 'resolved', 'ManagedFileWrong', 'web-01', 60),
      hook.await(mended, 'resolved', 'UnknownPort', 'lb-01', 60),
    ])
    // The kernel counts processes killed for lack of memory for the whole machine; in a lab they may belong to another host.
    const alerts = hook.told.filter(({ at, status, labels }) => at >= since && status === 'firing' && labels.unit !== 'some process')
    const names = (some: readonly Told[]): readonly string[] => some.map(({ labels: { alertname, host } }) => `${alertname} ${host}`)
    const own = alerts.filter(({ labels }) => labels.alertname !== 'Watchdog')
    expect(names(own).toSorted(), JSON.stringify(own)).toEqual(['ManagedFileWrong web-01', 'NginxDown web-02', 'UnknownPort lb-01'])
    // The heartbeat continues meanwhile.
    expect(alerts.map(({ labels }) => labels.alertname)).toContain('Watchdog')
    await expect.poll(() => chat.posted.map(({ title }) => title), { timeout: 30_000 }).toContain(`RESOLVED: ${nginx}`)
  })

  it('get one alert for a host that was changed by hand, and its end after the next comparison', async () => {
    const watch = async () => {
      const { status, stdout, stderr } = await project.provisionBeside('schedule', 'watch')
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
      return stdout
    }
    const begun = Date.now()
    on('web-01', 'chmod 600 /etc/nginx/nginx.conf')
    expect(await watch()).toBe('web-01: update file:/etc/nginx/nginx.conf\n3 hosts compared, 1 difference\n')
    const { annotations } = await hook.await(begun, 'firing', 'HostDiffers', 'web-01', 60)
    expect(annotations.summary).toBe('web-01 differs from the playbook (resources: 1): update file:/etc/nginx/nginx.conf')
    on('web-01', 'chmod 644 /etc/nginx/nginx.conf')
    const mended = Date.now()
    expect(await watch()).toBe('3 hosts compared, 0 differences\n')
    await hook.await(mended, 'resolved', 'HostDiffers', 'web-01', 60)
    expect(hook.told.filter(({ status, labels }) => status === 'firing' && labels.alertname === 'HostDiffers')).toHaveLength(1)
  })

  it('silence alerts on the dashboard if they are in `may_silence`, from its own page', async () => {
    const own = { origin: `https://${LB}:9443`, host: `${LB}:9443`, 'content-type': 'application/json' }
    const time = (minutes: number) => new Date(Date.now() + minutes * 60_000).toISOString()
    const body = JSON.stringify({
      matchers: [{ name: 'alertname', value: 'RebootNeeded', isRegex: false, isEqual: true }],
      ...{ startsAt: time(0), endsAt: time(60), createdBy: 'ann', comment: 'on Sunday' },
    })
    const add = (as: string, headers: Readonly<Record<string, string>>) => page('/silence/add', as, { method: 'POST', headers, body })
    expect((await add('bob:only for reading', own)).status).toBe(403)
    expect((await add('ann:open "sesame"', { ...own, origin: 'https://evil.test' })).status).toBe(403)
    const { status, body: made } = await add('ann:open "sesame"', own)
    expect(status).toBe(200)
    const seen = async () =>
      JSON.parse((await page('/silences', 'bob:only for reading')).body) as { comment: string; status: { state: string } }[]
    expect(await seen()).toMatchObject([{ comment: 'on Sunday', status: { state: 'active' } }])
    const { silenceID } = JSON.parse(made) as { silenceID: string }
    const end = (as: string) => page(`/silence/end/${silenceID}`, as, { method: 'DELETE', headers: own })
    expect([(await end('bob:only for reading')).status, (await end('ann:open "sesame"')).status]).toEqual([403, 200])
    expect(await seen()).toMatchObject([{ status: { state: 'expired' } }])
    expect(on('lb-01', 'journalctl -q -t provision_dashboard --no-pager -o cat')).toMatch(
      /^ann \(.*\) POST \/silence\/add 200 .*on Sunday/m,
    )
  })

  it('can open the dashboard to all addresses with a password, and no other port', async () => {
    expect(await seen()).toEqual([
      [LB, ['9443/tcp open']],
      [WEB, []],
    ])
    expect((await page('/')).status).toBe(401)
  })

  it('get no alerts about a host that is no longer monitored', async () => {
    const measured = () =>
      on(
        'lb-01',
        `promtool query instant http://127.0.0.1:9090 'up{host="web-02",job="node"} or provision_checks_done_seconds{host="web-02"}'`,
      )
    expect(measured()).toContain('web-02')
    const playbook = readFileSync(join(project.root, 'playbooks/site.yaml'), 'utf8')
    project.write(
      'playbooks/site.yaml',
      playbook.replace('hosts: all\n  roles: [monitoring]', 'hosts: [lb-01, web-01]\n  roles: [monitoring]'),
    )
    expect(project.json('run', '--role', 'monitoring').status).toBe(0)
    await expect.poll(measured, { timeout: 40_000, interval: 2000 }).not.toContain('web-02')
  })
})
