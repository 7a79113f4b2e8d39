import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { alertmanagerConfig } from '../../../../roles/monitoring/alertmanager.ts'
import { answering, listening, tookConfiguration } from '../../../../roles/monitoring/loaded.ts'
import monitoring from '../../../../roles/monitoring/role.ts'
import { alertsOf, rulesFile, rulesOf } from '../../../../roles/monitoring/rules/all.ts'
import { checksOf } from '../../../../roles/monitoring/verify.ts'
import { bytesOf } from '../../../../src/resource/kind/content.ts'
import type { HostView } from '../../../../src/role/role.ts'
import { freePort } from '../haproxy-tls/edge.ts'
import { contextOf, LB, WEB } from './context.ts'

let root = ''
/** Answers of the daemon, by the beginning of the address. */
let answers: Readonly<Record<string, string>> = {}
/** Number of requests to drop before the next answer. */
let refused = 0
const server = createServer((request, response) => {
  if (refused > 0) {
    refused--
    request.socket.destroy()
    return
  }
  const [, body] = Object.entries(answers).find(([path]) => request.url?.startsWith(path)) ?? []
  response.writeHead(body === undefined ? 404 : 200).end(body)
})

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'provision-monitoring-'))
  answers = {}
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
})
afterEach(async () => {
  rmSync(root, { recursive: true })
  server.closeAllConnections()
  await new Promise((resolve) => void server.close(resolve))
})

const port = (): number => (server.address() as AddressInfo).port
const program = (name: string, script: string): void => {
  writeFileSync(join(root, name), `#!/bin/sh\n${script}\n`)
  chmodSync(join(root, name), 0o755)
}

/** Makes a clock that is this many seconds later each time that it is read. */
const clock = (seconds: number): void =>
  program('date', `now=$(($(cat "$T/clock" 2>/dev/null || echo 0) + ${seconds})); echo $now >"$T/clock"; echo $now`)

/** Runs a script of a host, whose ports 9090 and 9093 are the server of this test, and where no waiting takes time. */
const run = (script: unknown, { quick = true, tries = 2 } = {}): Promise<{ readonly status: number | null; readonly stdout: string }> =>
  new Promise((resolve) => {
    if (quick) program('sleep', 'exit 0')
    const here = String(script)
      .replaceAll(' -lt 100 ', ` -lt ${tries} `)
      .replaceAll(/(127\.0\.0\.1[/:])909[03]/g, `$1${port()}`)
    const child = spawn('sh', ['-c', here], { env: { ...process.env, PATH: `${root}:${process.env.PATH}`, T: root, unit: 'x.service' } })
    let stdout = ''
    // A check prints its reasons only.
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (stdout += data.toString()))
    child.on('close', (status) => resolve({ status, stdout: stdout.trim() }))
  })

const verify = (name: string, options: object = {}) => {
  const checks = checksOf({ options: monitoring.options.parse(options), host: LB } as unknown as Parameters<typeof checksOf>[0], true)
  const check = checks.find((one) => one.name === name)
  if (check === undefined) throw new Error(`no check ${name} in ${checks.map((one) => one.name).join(', ')}`)
  return run(check.script)
}

describe('the checks of a monitoring server', { timeout: 20_000 }, () => {
  it('pass if every target is up, and name each that is down', async () => {
    const up = (result: string) => ({ '/api/v1/query?query=up%3D%3D0': `{"status":"success","data":{"result":[${result}]}}` })
    answers = up('')
    expect(await verify('every target is up')).toEqual({ status: 0, stdout: '' })
    answers = up('{"metric":{"host":"web-01","job":"node"},"value":[1,"0"]},{"metric":{"host":"web-02"},"value":[1,"0"]}')
    expect(await verify('every target is up')).toEqual({
      status: 1,
      stdout: '"metric":{"host":"web-01","job":"node"}\n"metric":{"host":"web-02"}',
    })
    answers = {}
    expect(await verify('every target is up')).toEqual({ status: 1, stdout: 'Prometheus does not answer' })
  })

  it('pass if every rule is loaded, and name one that is not', async () => {
    const names = alertsOf(monitoring.options.parse({})).map(({ alert }) => alert)
    const loaded = (all: readonly string[]) => ({ '/api/v1/rules?type=alert': JSON.stringify(all.map((name) => ({ name }))) })
    answers = loaded(names)
    expect(await verify('every rule is loaded')).toEqual({ status: 0, stdout: '' })
    answers = loaded(names.filter((name) => name !== 'SiteDown'))
    expect(await verify('every rule is loaded')).toEqual({ status: 1, stdout: 'SiteDown is not loaded' })
  })

  it('pass if a host shows no measurements to a client without a certificate', async () => {
    program('openssl', 'echo "$@" >"$T/words"; cat >"$T/request"; echo refused >&2')
    const name = 'lb-01 refuses to show its measurements without a certificate'
    expect(await verify(name, { port: 9997 })).toEqual({ status: 0, stdout: '' })
    expect(readFileSync(join(root, 'words'), 'utf8')).toBe('s_client -quiet -connect 127.0.0.1:9997\n')
    expect(readFileSync(join(root, 'request'), 'utf8')).toBe('GET /proxy?module=node HTTP/1.0\r\n\r\n')
    program('openssl', 'cat >/dev/null; echo HTTP/1.0 200 OK')
    expect(await verify(name)).toEqual({ status: 1, stdout: 'it shows them to a client without a certificate' })
  })

  const mail = { name: 'mail', type: 'email', to: ['a@x.test', 'b@x.test'], from: 'm@x.test', server: 'x.test:25' }
  const receivers = [mail, { name: 'phone', type: 'webhook', url: 'https://x.test/' }]
  const notified = (integration: string) => `level=debug receiver=mail integration=${integration} msg="Notify success" attempts=1`

  it('wait until every address of a receiver got the test alert', async () => {
    program('amtool', `echo "$@" >"${root}/sent"`)
    program('journalctl', `echo '${notified('email[0]')}'; echo '${notified('email[1]')}'`)
    program('date', 'case "$*" in *iso* | *minute*) echo END;; *%N*) echo 7;; *) echo 9;; esac')
    program('journalctl', `echo "$@" >>"${root}/asked"; echo '${notified('email[0]')}'; echo '${notified('email[1]')}'`)
    expect(await verify('a test alert reaches mail (email)', { receivers })).toEqual({ status: 0, stdout: '' })
    expect(readFileSync(join(root, 'sent'), 'utf8').trim()).toBe(
      [
        `--alertmanager.url=http://127.0.0.1:${port()} alert add alertname=TestAlert severity=none host=lb-01 receiver=mail instance=7`,
        '--annotation=summary=test: the monitoring on lb-01 reaches you --annotation=runbook=no action is needed --end=END',
      ].join(' '),
    )
    // Earlier deliveries do not count, nor does one of two addresses.
    expect(readFileSync(join(root, 'asked'), 'utf8')).toBe('-q -u prometheus-alertmanager --since 9 --no-pager -o cat\n')
    program('journalctl', `echo '${notified('email[0]')}'; echo '${notified('email[0]')}'`)
    clock(30)
    expect(await verify('a test alert reaches mail (email)', { receivers })).toEqual({ status: 1, stdout: 'not delivered:' })
    // The success of another receiver does not count.
    clock(30)
    expect(await verify('a test alert reaches phone (webhook)', { receivers })).toEqual({ status: 1, stdout: 'not delivered:' })
  })

  it('wait longer for a silent receiver than for one that refuses', async () => {
    program('amtool', 'exit 0')
    clock(5)
    const asked = async (line: string) => {
      rmSync(join(root, 'asked'), { force: true })
      program('journalctl', `echo >>"${root}/asked"; echo '${line}'`)
      expect((await verify('a test alert reaches phone (webhook)', { receivers })).status).toBe(1)
      return readFileSync(join(root, 'asked'), 'utf8').length
    }
    // Each question takes five seconds here.
    expect(await asked('')).toBe(9)
    expect(await asked('msg="Notify for alerts failed" err="phone/webhook[0]: refused"')).toBe(3)
  })

  it('print the reason of a receiver that refuses', async () => {
    program('amtool', 'exit 0')
    clock(30)
    const failure =
      'component=dispatcher msg="Notify for alerts failed" err="mail/email[0]: notify retry canceled after 3 attempts: \\\\"x.test\\\\" refused"'
    program('journalctl', `echo '${notified('email[1]')}'; echo '${failure}'`)
    expect(await verify('a test alert reaches mail (email)', { receivers })).toEqual({
      status: 1,
      stdout: 'not delivered:\n  "x.test" refused',
    })
    program('amtool', 'exit 1')
    expect((await verify('a test alert reaches mail (email)', { receivers })).status).toBe(1)
  })
})

describe('the checks of a host', () => {
  const named = (of: HostView, options: object = {}) =>
    monitoring.verify?.(contextOf(of, options)).map(({ name, units }) => `${name} | ${(units ?? []).join(' ')}`)

  it('begin with the units whose failure explains theirs', () => {
    const refuses = 'refuses to show its measurements without a certificate | prometheus-exporter-exporter.service'
    expect(named(WEB[0] as HostView)).toEqual([`web-01 ${refuses}`])
    expect(named(LB, { receivers: [{ name: 'phone', type: 'webhook', url: 'https://x.test/' }] })).toEqual([
      ...[`lb-01 ${refuses}`, 'every target is up | prometheus.service', 'every rule is loaded | prometheus.service'],
      'a test alert reaches phone (webhook) | prometheus-alertmanager.service',
    ])
  })
})

describe('a daemon that loads its configuration', { timeout: 20_000 }, () => {
  const metrics = (ok: number, at: number) => ({ '/metrics': `reload_successful ${ok}\nreload_success_timestamp_seconds ${at}\n` })
  const now = () => Date.now() / 1000

  it('is ready when its metrics confirm a new one', async () => {
    answers = metrics(1, now())
    expect(await run(tookConfiguration(9090, 'reload'))).toEqual({ status: 0, stdout: '' })
  })

  it('is ready when it answers after a while', async () => {
    answers = metrics(1, now() + 1)
    refused = 2
    expect(await run(tookConfiguration(9090, 'reload'))).toEqual({ status: 0, stdout: '' })
    refused = 2
    expect(await run(answering(port()))).toEqual({ status: 0, stdout: '' })
    // One try less.
    refused = 3
    expect(await run(answering(port()))).toMatchObject({ status: 1 })
    refused = 3
    expect(await run(tookConfiguration(9090, 'reload'))).toMatchObject({ status: 1 })
    refused = 0
    const late = await freePort()
    const second = createServer()
    setTimeout(() => second.listen(late, '127.0.0.1'), 200)
    expect(await run(listening('127.0.0.1', late), { quick: false, tries: 100 })).toEqual({ status: 0, stdout: '' })
    await new Promise((resolve) => void second.close(resolve))
  })

  it('may have loaded it just before it was asked', async () => {
    answers = metrics(1, Math.floor(now()) - 2)
    expect(await run(tookConfiguration(9090, 'reload'))).toEqual({ status: 0, stdout: '' })
    answers = metrics(1, Math.floor(now()) - 7)
    expect(await run(tookConfiguration(9090, 'reload'))).toMatchObject({ status: 1 })
  })

  it.each([
    ['an old one', () => metrics(1, now() - 60)],
    ['a refused one', () => metrics(0, now())],
    ['none', () => ({})],
  ])('fails with %s', async (_, given) => {
    answers = given()
    expect(await run(tookConfiguration(9090, 'reload'))).toEqual({ status: 1, stdout: 'x.service did not load its configuration' })
  })

  it('is ready when it answers, and fails when nothing listens', async () => {
    expect(await run(answering(port()))).toEqual({ status: 0, stdout: '' })
    expect(await run(listening('127.0.0.1', port()))).toEqual({ status: 0, stdout: '' })
    expect(await run(answering(1))).toEqual({ status: 1, stdout: 'x.service does not answer at port 1' })
    expect(await run(listening('127.0.0.1', 1))).toEqual({ status: 1, stdout: 'x.service does not listen on port 1' })
  })
})

describe('alert delivery', () => {
  it('goes nowhere by default, and a cause keeps its effects back', () => {
    const { route, inhibit_rules } = parse(Buffer.from(bytesOf(alertmanagerConfig(monitoring.options.parse({})))).toString())
    expect(route.receiver).toBe('nobody')
    const held = inhibit_rules.filter((one: { source_matchers: string[] }) => one.source_matchers.includes('alertname=~"HostDown"'))
    expect(held).toEqual([
      { source_matchers: ['alertname=~"HostDown"'], target_matchers: ['alertname=~".+"', 'alertname!~"HostDown"'], equal: ['host'] },
    ])
  })

  it('keeps causes firing until their effects have ended', () => {
    const { groups } = parse(Buffer.from(bytesOf(rulesFile(rulesOf(monitoring.options.parse({}), 3), true))).toString())
    const rules = groups.flatMap((group: { rules: { alert?: string }[] }) => group.rules)
    const rule = (name: string) => rules.find(({ alert }: { alert?: string }) => alert === name)
    expect(rule('HostDown')).toMatchObject({ for: '15s', keep_firing_for: '30s', labels: { severity: 'critical' } })
    expect(rule('AgentDown')).not.toHaveProperty('keep_firing_for')
    expect(rule('ChecksStale')).not.toHaveProperty('for')
  })
})

describe('the dashboard', () => {
  const listens = (options: object, servers = [LB]) =>
    monitoring
      .listens?.({
        host: LB,
        site: { hosts: [LB], group: () => servers, withRole: () => [LB] },
        options: monitoring.options.parse(options),
        flows: [],
      } as unknown as Parameters<NonNullable<typeof monitoring.listens>>[0])
      .filter(({ service }) => service === 'dashboard')
  const users = { ann: 'sesame' }

  it('is open to administrators, or to anyone on demand, on monitoring servers only', () => {
    expect(listens({ dashboard: { users } })).toMatchObject([{ port: 9443, from: ['administrators'], encrypted: true }])
    expect(listens({ dashboard: { users, open: true, port: 444 } })).toMatchObject([{ port: 444, from: ['anyone'] }])
    expect(listens({ dashboard: false })).toEqual([])
    expect(listens({ dashboard: { users } }, [])).toEqual([])
  })
})
