import { createServer } from 'node:http'
import { createServer as createSecure } from 'node:https'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inside } from '../e2e/support/interrupt.ts'
import { down, referenceLab, up } from '../e2e/support/lab.ts'
import { referenceProject } from '../e2e/support/project.ts'
import { type Incidents, incidents, KEYS } from '../e2e/support/services/incidents.ts'
import { AUTHORITY, addMailbox, MAIL, ownCertificate } from '../e2e/support/services/mailbox.ts'
import { type Receiver, receiver } from '../e2e/support/services/receiver.ts'
import { type Slack, slack } from '../e2e/support/services/slack.ts'

// All types of receivers: a webhook, a chat and a mailbox; and messages about receivers that refuse.
const SUBNET = '10.79.65'
const project = referenceProject('t-receivers', SUBNET)
const whole = referenceLab(project, SUBNET)
const spec = { ...whole, hosts: whole.hosts.slice(0, 2) }
const PAIR = ownCertificate(project, [`${SUBNET}.1`, `${SUBNET}.12`])
const CHAT = { path: '/services/T0/B0/a-poison-word', channel: '#operations', ...PAIR }
let hook: Receiver
let chat: Slack
let services: Incidents
const broken = createServer((_, response) => response.writeHead(500).end('out of order'))

const webhook = (name: string, port: number) => `{ name: ${name}, type: webhook, url: 'http://${SUBNET}.1:${port}/' }`
const channel = (name: string, path: string) =>
  `{ name: ${name}, type: slack, url: 'https://${SUBNET}.1:5992${path}', channel: '${CHAT.channel}', ca_file: ${AUTHORITY} }`
const mail = (name: string, password: string) =>
  `{ name: ${name}, type: email, to: [${MAIL.to}], from: monitoring@example.test, server: '${SUBNET}.12:587', user: ${MAIL.user}, password: '${password}', ca_file: ${AUTHORITY} }`
const at = `http://${SUBNET}.1:5998`
const SERVICES = [
  `{ name: duty, type: pagerduty, routing_key: ${KEYS.pagerduty}, url: '${at}/v2/enqueue' }`,
  `{ name: genie, type: opsgenie, api_key: ${KEYS.opsgenie}, url: '${at}/' }`,
  `{ name: players, type: discord, url: '${at}${KEYS.discord}' }`,
  `{ name: office, type: teams, url: '${at}${KEYS.teams}' }`,
  `{ name: bell, type: ntfy, url: '${at}${KEYS.ntfy}', auth: { token: ${KEYS.ntfyToken} } }`,
  `{ name: bot, type: telegram, url: '${at}', bot_token: '${KEYS.telegram}', chat_id: -7 }`,
  `{ name: guard, type: webhook, url: '${at}/hook', auth: { token: ${KEYS.webhook} } }`,
  `{ name: door, type: webhook, url: '${at}/login', auth: { user: ann, password: ${KEYS.webhook} } }`,
]
const GOOD = [webhook('phone', 5995), channel('chat', CHAT.path), mail('mail', MAIL.password), ...SERVICES]

/** Options of an administrator: rules, silences, checks, exporters and probes. */
const OWN = `    rules:
      - { name: QueueTooLong, expr: 'provision_check_value{check="queue"} > 5', severity: critical, summary: '{{ $value }} orders wait on {{ $labels.host }}' }
      - { name: Silent, expr: 'provision_check_value{check="queue"} > 5', severity: critical, summary: silenced }
    silence: [{ rule: Silent, hosts: [web-01], why: test }]
    checks: [{ name: queue, script: checks/queue.sh, hosts: [web-01], every_seconds: 10, severity: critical, summary: the queue is closed }]
    targets:
      - { job: itself, at: 'http://127.0.0.1:9090/metrics', hosts: [lb-01] }
      - { job: outside, url: 'https://${SUBNET}.1:5991/metrics', auth: { token: exporter-poison }, ca_file: ${AUTHORITY} }
    probes:
      - { name: submission, tcp: 'web-01:587', answer: '^220 ' }
      - { name: page, url: 'https://${SUBNET}.1:5991/page', status: 200, body: 'all .* well', auth: { user: ann, password: page-poison }, ca_file: ${AUTHORITY} }
      - { name: certificate, tls: '${SUBNET}.1:5991', ca_file: ${AUTHORITY} }
      - { name: another page, url: 'https://${SUBNET}.1:5991/page', body: 'nothing is well', ca_file: ${AUTHORITY} }
`

/** An exporter and a page outside the site, which require a token and a password. */
const outside = createSecure(PAIR, ({ url, headers }, response) => {
  const wanted = url === '/metrics' ? 'Bearer exporter-poison' : `Basic ${Buffer.from('ann:page-poison').toString('base64')}`
  if (headers.authorization !== wanted) return void response.writeHead(401).end()
  response.end(url === '/metrics' ? 'outside_value 7\n' : 'all is well\n')
})

const configure = (receivers: readonly string[], own = OWN): void => {
  const lab = `.provision/lab/${project.lab}`
  project.write(
    'inventory/site.yaml',
    `vars:
  user: ops
  key: ${lab}/id_ed25519
  known_hosts: ${lab}/known_hosts
  firewall: { administrators: [${SUBNET}.1] }
  monitoring:
    interval_seconds: 5
    checks_seconds: 10
${own}    receivers:
${receivers.map((one) => `      - ${one}\n`).join('')}hosts:
  lb-01: { address: ${SUBNET}.11 }
  web-01: { address: ${SUBNET}.12 }
groups:
  monitoring_servers: { hosts: [lb-01] }
`,
  )
}

beforeAll(async () => {
  addMailbox(project)
  project.write(
    'playbooks/site.yaml',
    '- hosts: all\n  roles: [firewall]\n- hosts: web-01\n  roles: [mailbox]\n- hosts: all\n  roles: [monitoring]\n',
  )
  configure(GOOD)
  await up(spec)
  hook = await receiver(`${SUBNET}.1`, 5995)
  chat = await slack(`${SUBNET}.1`, 5992, CHAT)
  services = await incidents(`${SUBNET}.1`, 5998)
  await new Promise<void>((resolve, reject) => broken.on('error', reject).listen(5996, `${SUBNET}.1`, resolve))
  await new Promise<void>((resolve, reject) => outside.on('error', reject).listen(5991, `${SUBNET}.1`, resolve))
  project.write('checks/queue.sh', '#!/bin/sh\necho 3\n')
  expect(await project.provisionBeside('run')).toMatchObject({ status: 0, stderr: '' })
})
afterAll(async () => {
  hook?.close()
  chat?.close()
  services?.close()
  broken.close()
  outside.close()
  await down(spec)
  project.remove()
})

const verified = () => project.provisionBeside('verify', '--role', 'monitoring')
const mailbox = (): Promise<string> => inside(spec, 'web-01', 'cat /var/mail/ann')

const REACHED = [
  ...['phone (webhook)', 'chat (slack)', 'mail (email)'],
  ...['duty (pagerduty)', 'genie (opsgenie)', 'players (discord)', 'office (teams)'],
  ...['bell (ntfy)', 'bot (telegram)', 'guard (webhook)', 'door (webhook)'],
]
/** Requests to a service, from the first with this beginning of its path. */
const asked = (path: string) => services.asked.filter((one) => one.path.startsWith(path))

/** Values of a query, by the labels `instance` or `job`. */
const query = async (expr: string): Promise<Readonly<Record<string, string>>> => {
  const answer = await inside(spec, 'lb-01', `promtool query instant http://127.0.0.1:9090 '${expr}'`)
  const lines = answer.split('\n').filter((line) => line.includes('=>'))
  return Object.fromEntries(lines.map((line) => [/(?:instance|check)="([^"]*)"/.exec(line)?.[1] ?? '', /=> (\S+)/.exec(line)?.[1] ?? '']))
}

describe('probes, exporters and checks of the options', () => {
  it('succeed or fail as configured', async () => {
    const probes = { submission: '1', page: '1', certificate: '1', 'another page': '0' }
    await expect.poll(() => query('probe_success{job=~"site|service"}'), { timeout: 60_000, interval: 2000 }).toEqual(probes)
    expect(await query('outside_value{job="outside"}')).toEqual({ [`${SUBNET}.1:5991`]: '7' })
    expect(await query('up{job="itself"}')).toEqual({ 'lb-01': '1' })
    await expect.poll(() => query('provision_check_value'), { timeout: 30_000, interval: 2000 }).toEqual({ queue: '3' })
    // Another account of the monitoring server cannot let the exporter send the password of the page.
    const probe = 'http://127.0.0.1:9115/probe?module=own-2\\&target=https://x.test/'
    expect(await inside(spec, 'lb-01', `su -s /bin/sh nobody -c "curl -sk ${probe} | grep -c probe_success || :"`)).toBe('0\n')
    const secure = 'curl -sk https://127.0.0.1:9115/metrics'
    expect(await inside(spec, 'lb-01', `su -s /bin/sh nobody -c "${secure} | grep -c blackbox || :"`)).toBe('0\n')
  })

  it('send alerts, including those of `rules`, except silenced ones', async () => {
    project.write('checks/queue.sh', '#!/bin/sh\necho 12\nexit 1\n')
    const since = Date.now()
    expect(await project.provisionBeside('run', '--role', 'monitoring')).toMatchObject({ status: 0, stderr: '' })
    const told = await Promise.all([
      hook.await(since, 'firing', 'QueueTooLong', 'web-01', 90),
      hook.await(since, 'firing', 'CheckFailed', 'web-01', 90),
    ])
    expect(told.map(({ annotations, labels }) => [annotations.summary, labels.severity])).toEqual([
      ['12 orders wait on web-01', 'critical'],
      ['the queue is closed (check queue on web-01)', 'critical'],
    ])
    expect(await query('ALERTS{alertname="Silent",alertstate="firing"}')).toEqual({ queue: '1' })
    expect(hook.told.map(({ labels }) => labels.alertname)).not.toContain('Silent')
    const security = await inside(spec, 'web-01', 'systemd-analyze security provision-check-queue.service --no-pager | tail -n 1')
    process.stdout.write(security)
    // A removed check leaves no alert.
    const mended = Date.now()
    configure(GOOD, OWN.replace(/^ {4}checks: .*\n/m, ''))
    expect(await project.provisionBeside('run', '--role', 'monitoring', '--prune')).toMatchObject({ status: 0, stderr: '' })
    await hook.await(mended, 'resolved', 'CheckFailed', 'web-01', 90)
    await expect.poll(() => query('ALERTS{alertname=~"Check.*"}'), { timeout: 60_000, interval: 2000 }).toEqual({})
    expect(await inside(spec, 'web-01', 'ls /etc/systemd/system | grep -c provision-check-queue || :')).toBe('0\n')
  })
})

describe('alert receivers', () => {
  it('each get a test alert', async () => {
    const reached = [...REACHED].map((one) => expect.stringContaining(`✔ lb-01   monitoring  a test alert reaches ${one}`))
    await expect
      .poll(async () => (await verified()).stdout.split('\n'), { timeout: 90_000, interval: 3000 })
      .toEqual(expect.arrayContaining(reached))
    const words = 'test: the monitoring on lb-01 reaches you'
    expect(hook.told.map(({ annotations }) => annotations.summary)).toContain(words)
    expect(chat.posted.map(({ title }) => title)).toContain(`NONE: ${words}`)
    expect(await mailbox()).toMatch(/^Received: from .*\n(?:\s.*\n)*\s.*esmtpsa /m)
    expect(await mailbox()).toContain(`Subject: NONE: ${words}`)
  })

  it('get the same text of an alert once each, and its end', async () => {
    const since = Date.now()
    const stray = "systemd-run -q --unit=stray perl -MIO::Socket -e 'IO::Socket::INET->new(LocalPort => 4444, Listen => 1) and sleep 900'"
    await inside(spec, 'web-01', stray)
    const words = 'perl listens on 4444/tcp of web-01, which no role declares'
    expect((await hook.await(since, 'firing', 'UnknownPort', 'web-01', 120)).annotations.summary).toBe(words)
    await expect.poll(() => chat.posted.filter(({ title }) => title === `CRITICAL: ${words}`).length, { timeout: 60_000 }).toBe(1)
    await expect.poll(async () => (await mailbox()).split(`Subject: CRITICAL: ${words}`).length, { timeout: 10_000 }).toBe(2)
    const [trigger] = asked('/v2/enqueue').filter(({ body }) => JSON.stringify(body).includes(words))
    expect(trigger?.body).toMatchObject({ event_action: 'trigger', payload: { severity: 'critical', summary: `CRITICAL: ${words}` } })
    expect(asked('/v2/alerts').map(({ body }) => body.message)).toContain(`CRITICAL: ${words}`)
    for (const path of [KEYS.discord, KEYS.teams, `/bot${KEYS.telegram}/sendMessage`])
      expect(JSON.stringify(asked(path).map(({ body }) => body))).toContain(`CRITICAL: ${words}`)
    process.stdout.write(`what an administrator reads:\n${(await mailbox()).split(/^From /m).at(-1)}\n`)
    await inside(spec, 'web-01', 'systemctl stop stray')
    await hook.await(Date.now(), 'resolved', 'UnknownPort', 'web-01', 90)
    await expect.poll(() => chat.posted.map(({ title }) => title), { timeout: 30_000 }).toContain(`RESOLVED: ${words}`)
    await expect.poll(mailbox, { timeout: 30_000 }).toContain(`Subject: RESOLVED: ${words}`)
    await expect
      .poll(
        () =>
          asked('/v2/enqueue').filter(({ body }) => body.event_action === 'resolve' && body.dedup_key === trigger?.body.dedup_key).length,
        { timeout: 30_000 },
      )
      .toBeGreaterThan(0)
    expect(asked('/v2/alerts').some(({ path }) => path.includes('/close'))).toBe(true)
  })

  it('are named with their error if they refuse an alert, and the others still get it', async () => {
    const refusing = [
      webhook('ill', 5996),
      webhook('gone', 5997),
      channel('stranger', '/services/T0/B0/another-poison'),
      mail('locked', 'wrong'),
      `{ name: unpaid, type: pagerduty, routing_key: another-poison, url: '${at}/v2/enqueue' }`,
      `{ name: away, type: discord, url: 'http://${SUBNET}.1:5997/api/webhooks/2/other-poison' }`,
    ]
    configure([...GOOD, ...refusing])
    expect(await project.provisionBeside('run')).toMatchObject({ status: 0, stderr: '' })
    const begun = performance.now()
    const { status, stdout, stderr } = await verified()
    process.stdout.write(`six that refuse: ${((performance.now() - begun) / 1000).toFixed(1)} s\n${stderr}\n`)
    expect(status).toBe(1)
    for (const good of REACHED) expect(stdout).toContain(`✔ lb-01   monitoring  a test alert reaches ${good}`)
    const said = (name: string) => stderr.split(/^✖ /m).find((one) => one.includes(`a test alert reaches ${name} `))
    expect(said('ill')).toMatch(/not delivered:[\s\S]*500/)
    expect(said('gone')).toMatch(/not delivered:[\s\S]*connection refused/)
    expect(said('stranger')).toMatch(/not delivered:[\s\S]*(403|invalid_token)/)
    expect(said('locked')).toMatch(/not delivered:[\s\S]*535/)
    expect(said('unpaid')).toMatch(/not delivered:[\s\S]*400/)
    expect(said('away')).toMatch(/not delivered:[\s\S]*connection refused/)
    expect(await inside(spec, 'lb-01', 'journalctl -q -u prometheus-alertmanager --no-pager | grep -c poison || :')).toBe('0\n')
    expect(stdout + stderr).not.toMatch(/poison|wrong/)
  })
})
