import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, request } from 'node:http'
import { Agent, request as requestTls } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bytesOf } from '../../../../../src/resource/kind/content.ts'
import { certificates, freePort, plainTo } from '../../haproxy-tls/edge.ts'
import { hasNginx } from '../../nginx/server.ts'
import { contentOf, declared, LB } from '../context.ts'

const directory = mkdtempSync(join(tmpdir(), 'provision-dashboard-'))
const asked: string[] = []
/** Stands in for Prometheus, or for Alertmanager. */
const standIn = (name: string) =>
  createServer((incoming, response) => {
    asked.push(`${incoming.method} ${incoming.url}`)
    response.end(name)
  })
const prometheus = standIn('prometheus')
const alertmanager = standIn('alertmanager')
const portOf = (server: typeof prometheus): number => (server.address() as AddressInfo).port
let port = 0
const agent = new Agent({ keepAlive: true, maxSockets: 10 })
let nginx: ReturnType<typeof spawn> | undefined

const start = async (): Promise<void> => {
  chmodSync(directory, 0o755)
  for (const server of [prometheus, alertmanager]) {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  }
  port = await freePort()
  const resources = declared(LB, { dashboard: { port, users: { ann: 'sesame', bob: 'open' }, may_silence: ['ann'] } })
  const moved = (text: string) =>
    text
      .replace(/^user .*\n/m, '')
      .replaceAll('/etc/provision/dashboard', directory)
      .replaceAll('/var/lib/provision-dashboard', directory)
      .replaceAll('/etc/ssl/metrics/dashboard.pem', join(directory, 'own.pem'))
      .replaceAll('127.0.0.1:9090', `127.0.0.1:${portOf(prometheus)}`)
      .replaceAll('127.0.0.1:9093', `127.0.0.1:${portOf(alertmanager)}`)
      .replace('syslog:server=unix:/dev/log,tag=provision_dashboard,nohostname', join(directory, 'silences.log'))
      .replace('listen [::]:', 'listen [::1]:')
  certificates(directory, { own: 'lb-01.metrics.provision.internal' })
  writeFileSync(join(directory, 'own.pem.key'), readFileSync(join(directory, 'own.key')))
  mkdirSync(join(directory, 'static'))
  for (const name of ['nginx.conf', 'users', 'silencers', 'static/dashboard.js', 'static/dashboard.css', 'static/icon.svg'])
    writeFileSync(
      join(directory, name),
      moved(Buffer.from(bytesOf(contentOf(resources, `file:/etc/provision/dashboard/${name}`))).toString()),
    )
  nginx = spawn('/usr/sbin/nginx', ['-c', join(directory, 'nginx.conf')], { stdio: ['ignore', 'ignore', 'pipe'] })
  let errors = ''
  nginx.stderr?.on('data', (data: Buffer) => (errors += data.toString()))
  for (let i = 0; ; i++) {
    const socket = await plainTo(port).catch(() => undefined)
    socket?.destroy()
    if (socket !== undefined) break
    if (i === 100 || nginx.exitCode !== null) throw new Error(errors)
    await sleep(50)
  }
}

interface Answer {
  readonly status: number | undefined
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}
interface Asking {
  readonly as?: string
  readonly method?: string
  readonly tls?: boolean
  readonly host?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}
const get = (
  path: string,
  { as = 'ann:sesame', method = 'GET', tls = true, host = '127.0.0.1', headers: more = {}, body = '' }: Asking = {},
): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const headers = { ...(as === '' ? {} : { Authorization: `Basic ${Buffer.from(as).toString('base64')}` }), ...more }
    const options = {
      port,
      path,
      method,
      headers,
      host,
      ...(tls && { agent }),
      ca: readFileSync(join(directory, 'ca.pem')),
      servername: 'lb-01.metrics.provision.internal',
    }
    const sent = (tls ? requestTls : request)(options, (response) => {
      let body = ''
      response.on('data', (data: Buffer) => (body += data.toString()))
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body }))
    })
    sent.on('error', reject).end(body)
  })

describe.skipIf(!hasNginx)('the web server of the dashboard', { timeout: 20_000 }, () => {
  beforeAll(start)
  afterAll(async () => {
    agent.destroy()
    nginx?.kill('SIGTERM')
    if (nginx?.exitCode === null) await once(nginx, 'exit')
    prometheus.close()
    alertmanager.close()
    rmSync(directory, { recursive: true })
  })

  it('shows nothing without the password of a user', async () => {
    for (const path of ['/', '/static/dashboard.js', '/consoles/overview.html', '/api/v1/alerts', '/classic/graph', '/alerts', '/silences'])
      for (const as of ['', 'ann:wrong', 'eve:sesame', 'ann:open', 'ann:'])
        expect([path, as, (await get(path, { as })).status]).toEqual([path, as, 401])
    expect(asked).toEqual([])
    expect((await get('/', { as: 'bob:open' })).status).toBe(200)
  })

  it('passes the page, the API and the pages of Prometheus on, and nothing else', async () => {
    asked.length = 0
    for (const path of ['/', '/consoles/overview.html?x=1', '/api/v1/query?query=up', '/classic/graph'])
      expect((await get(path)).body).toBe('prometheus')
    expect((await get('/api/v1/query_range', { method: 'POST' })).status).toBe(200)
    expect(asked).toEqual([
      ...['GET /consoles/overview.html', 'GET /consoles/overview.html?x=1', 'GET /api/v1/query?query=up', 'GET /classic/graph'],
      'POST /api/v1/query_range',
    ])
    asked.length = 0
    for (const path of ['/metrics', '/-/reload', '/graph/x', '/api/v2/x', '/static/../users', '/nginx.conf'])
      expect([path, (await get(path)).status]).toEqual([path, 404])
    const graph = await get('/graph?g0.expr=up&g0.tab=1')
    expect([graph.status, graph.headers.location]).toEqual([302, expect.stringMatching(/[/]classic[/]graph[?]g0.expr=up&g0.tab=1$/)])
    expect((await get('/api/v1/admin/tsdb/delete_series', { method: 'DELETE' })).status).toBe(403)
    expect((await get('/api/v1/query', { method: 'PUT' })).status).toBe(403)
    expect(asked).toEqual([])
  })

  it('shows alerts and silences to every user, and changes nothing there', async () => {
    asked.length = 0
    for (const path of ['/alerts', '/silences?x=1']) expect((await get(path, { as: 'bob:open' })).body).toBe('alertmanager')
    expect(asked).toEqual(['GET /api/v2/alerts', 'GET /api/v2/silences?x=1'])
    asked.length = 0
    for (const path of ['/alerts', '/silences'])
      for (const method of ['POST', 'DELETE', 'PUT']) expect((await get(path, { method })).status).toBe(403)
    expect((await get('/alerts/groups')).status).toBe(404)
    expect(asked).toEqual([])
  })

  const ID = '6d4c0c0e-6a55-4d0a-b6a1-0f6f4f7c7b11'
  const own = () => ({ origin: `https://127.0.0.1:${port}`, 'content-type': 'application/json' })
  const add = (more: Asking = {}) => get('/silence/add', { method: 'POST', headers: own(), body: '{"a":1}', ...more })
  const end = (more: Asking = {}) => get(`/silence/end/${ID}`, { method: 'DELETE', headers: own(), ...more })

  it('lets accounts in `may_silence` create and end silences, and logs their names', async () => {
    asked.length = 0
    const account = await get('/silence/account')
    expect([account.status, account.headers.account, account.headers['x-content-type-options']]).toEqual([200, 'ann', 'nosniff'])
    expect([(await add()).status, (await end()).status]).toEqual([200, 200])
    expect(asked).toEqual(['POST /api/v2/silences', `DELETE /api/v2/silence/${ID}`])
    await expect
      .poll(() => readFileSync(join(directory, 'silences.log'), 'utf8').split('\n'))
      .toEqual(['ann (127.0.0.1) POST /silence/add 200 {\\x22a\\x22:1}', `ann (127.0.0.1) DELETE /silence/end/${ID} 200 -`, ''])
  })

  it('refuses silences of other users and pages, and all other requests to Alertmanager', async () => {
    asked.length = 0
    // A browser that gets no 401 does not ask for another password.
    for (const as of ['bob:open', 'ann:wrong', ''])
      expect([as, ...(await Promise.all([get('/silence/account', { as }), add({ as }), end({ as })])).map(({ status }) => status)]).toEqual(
        [...[as, 403, 403, 403]],
      )
    const origins = [{ origin: 'https://evil.test' }, { origin: 'null' }, { origin: `https://127.0.0.1:${port}.evil.test` }, { origin: '' }]
    for (const headers of origins)
      expect([(await add({ headers: { ...own(), ...headers } })).status, (await end({ headers })).status]).toEqual([403, 403])
    expect((await add({ headers: { 'content-type': 'application/json' } })).status).toBe(403)
    // A form of another page can send only these types.
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'])
      expect((await add({ headers: { ...own(), 'content-type': type } })).status).toBe(415)
    expect((await add({ body: 'x'.repeat(20_000) })).status).toBe(413)
    for (const method of ['GET', 'PUT', 'DELETE', 'OPTIONS'])
      expect([method, (await add({ method, body: '' })).status]).toEqual([method, 403])
    for (const method of ['GET', 'POST', 'PUT']) expect((await end({ method })).status).toBe(403)
    for (const path of ['/silence/', '/silence/end/', `/silence/end/${ID}/x`, '/silence/end/../../status', '/silence', '/silence/reload'])
      expect([path, (await get(path, { method: 'POST', headers: own() })).status]).toEqual([path, 404])
    expect(asked).toEqual([])
  })

  it('serves the script, the style and the icon with their types', async () => {
    const typeOf = async (name: string) => {
      const { status, headers, body } = await get(`/static/${name}`)
      return [status, headers['content-type'], body.length > 100]
    }
    expect(await typeOf('dashboard.js')).toEqual([200, 'application/javascript', true])
    expect(await typeOf('dashboard.css')).toEqual([200, 'text/css', true])
    expect(await typeOf('icon.svg')).toEqual([200, 'image/svg+xml', true])
    expect((await get('/static/none')).status).toBe(404)
  })

  it('lets the page load nothing from elsewhere, also in errors', async () => {
    for (const path of ['/', '/static/dashboard.js', '/x', '/classic/graph']) {
      const { headers } = await get(path)
      expect([path, headers['x-content-type-options'], headers['referrer-policy'], headers.server]).toEqual([
        path,
        'nosniff',
        'no-referrer',
        'nginx',
      ])
      const policy = String(headers['content-security-policy']).split('; ')
      expect(policy).toContain("frame-ancestors 'none'")
      if (path === '/classic/graph') {
        // The pages of Prometheus contain inline scripts and pictures.
        expect(policy).toEqual(
          expect.arrayContaining([
            ...[
              "default-src 'self'",
              "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
              "style-src 'self' 'unsafe-inline'",
              "img-src 'self' data:",
            ],
          ]),
        )
      } else
        expect(policy.toSorted()).toEqual([
          ...["base-uri 'none'", "connect-src 'self'", "default-src 'none'", "form-action 'self'", "frame-ancestors 'none'"],
          ...["img-src 'self'", "script-src 'self'", "style-src 'self'"],
        ])
    }
  })

  it('speaks HTTPS only, over IPv4 and IPv6, and sends plain HTTP there', async () => {
    const { status, headers } = await get('/?m=60', { tls: false })
    expect([status, headers.location]).toEqual([308, `https://127.0.0.1:${port}/?m=60`])
    expect((await get('/', { host: '::1' })).status).toBe(200)
    const handshake = (...version: readonly string[]) =>
      spawnSync('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, '-cipher', 'ALL:@SECLEVEL=0', '-alpn', 'h2', ...version], {
        input: '',
        encoding: 'utf8',
      })
    expect(handshake('-tls1_1').status).not.toBe(0)
    expect(handshake('-tls1_2').stdout).toMatch(/ALPN protocol: h2/)
    expect(handshake('-tls1_2').stdout).not.toMatch(/TLS session ticket:/)
    expect(handshake('-tls1_3').status).toBe(0)
  })

  it('answers a visitor who tries passwords with status 429', async () => {
    const answers = await Promise.all(Array.from({ length: 400 }, () => get('/', { as: 'ann:wrong' })))
    const statuses = answers.map(({ status }) => status)
    expect([...new Set(statuses)].toSorted()).toEqual([401, 429])
    expect(statuses.filter((status) => status === 401).length).toBeGreaterThanOrEqual(50)
  })
})
