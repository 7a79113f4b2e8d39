import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { plainTo } from '../haproxy-tls/edge.ts'
import { hasNginx, type NginxServer, startNginx } from './server.ts'

const PAGES = {
  'index.html': 'home\n',
  'gone.html': 'gone\n',
  'app.html': 'single page\n',
  'docs/index.html': 'docs\n',
  'css/style.css': 'body {}\n'.repeat(500),
  'css/small.css': 'body {}\n'.repeat(60),
}
/** As long as a host name may be. */
const LONG = `${'a'.repeat(60)}.${'b'.repeat(60)}.${'c'.repeat(60)}.${'d'.repeat(60)}.test.test`
const LOCKED = 'auth_basic staff; auth_basic_user_file /dev/null; deny all;'

describe.runIf(hasNginx)('the sites of nginx', { timeout: 60_000 }, () => {
  const requests: IncomingMessage[] = []
  const application = createServer((request, response) => {
    requests.push(request)
    response.writeHead(request.url === '/broken' ? 500 : 200, { 'Content-Type': 'text/html' })
    setTimeout(() => response.end(`app ${request.url}\n${'x'.repeat(2000)}`), request.url === '/slow' ? 1500 : 0)
  })
  let server: NginxServer

  beforeAll(async () => {
    application.listen(0, '127.0.0.1')
    await once(application, 'listening')
    const { port } = application.address() as AddressInfo
    const proxy = `http://127.0.0.1:${port}`
    const content = 'pages'
    const sites = [
      { name: 'www', hosts: ['www.test'], content, errors: { 404: '/gone.html' }, headers: { 'X-Site': 'www' }, cache: { '*.css': 60 } },
      { name: 'spa', hosts: ['spa.test'], content, fallback: '/app.html' },
      { name: 'old', hosts: ['old.test'], redirect: 'https://www.test' },
      {
        name: 'moved',
        hosts: ['moved.test', 'www.moved.test'],
        content,
        raw: 'if ($host = www.moved.test) { return 301 https://moved.test$request_uri; }',
      },
      { name: 'closed', hosts: ['closed.test'], content, raw: `return 410;` },
      { name: 'locked', hosts: ['locked.test'], content, raw: LOCKED },
      {
        name: 'app',
        hosts: ['app.test'],
        proxy,
        health: '/alive',
        requests_per_second: 1,
        connections: 1,
        errors: { 500: '/oops' },
        raw: `${LOCKED.replace('deny all;', '')}rewrite ^ /rewritten;`,
      },
      { name: 'shut', hosts: ['shut.test'], proxy, health: '/alive', raw: `satisfy any; ${LOCKED}` },
      { name: 'free', hosts: ['free.test'], proxy, body_max: '1k' },
      { name: 'few', hosts: ['few.test', LONG], content, requests_per_second: 1 },
      { name: 'narrow', hosts: ['narrow.test'], proxy, connections: 2 },
      { name: 'own', hosts: ['own.test'], app: { command: '/bin/app', port } },
      { name: 'oops', hosts: ['oops.test'], proxy, errors: { 500: '/oops' } },
    ]
    server = await startNginx({ sites }, { pages: PAGES })
  })
  afterAll(async () => {
    await server?.stop()
    application.close()
  })
  const get: NginxServer['get'] = (...words) => server.get(...words)
  const statusOf = async (...words: Parameters<NginxServer['get']>): Promise<number> => (await get(...words)).status

  describe('/healthz', () => {
    it.each(['www.test', 'spa.test', 'old.test', 'moved.test', 'www.moved.test', 'closed.test', 'locked.test', 'unknown.test'])(
      'is answered by nginx for %s, also against raw',
      async (name) => {
        expect(await get(name, '/healthz')).toMatchObject({ status: 200, body: 'ok\n' })
      },
    )

    it('asks the application for its health, without passwords, limits and rewrites', async () => {
      const answers = await Promise.all(Array.from({ length: 8 }, () => get('app.test', '/healthz')))
      for (const { status, body } of answers) expect(`${status} ${body}`).toMatch(/^200 [\s\S]*app \/alive\n/)
      expect(await get('shut.test', '/healthz')).toMatchObject({ status: 200, body: expect.stringContaining('app /alive\n') })
    })

    it('leaves the rules of raw in force for visitors', async () => {
      expect(await get('www.moved.test', '/a?b=c')).toMatchObject({ status: 301, headers: { location: 'https://moved.test/a?b=c' } })
      expect(await statusOf('moved.test', '/')).toBe(200)
      expect(await statusOf('closed.test', '/')).toBe(410)
      expect(await statusOf('locked.test', '/')).toBe(403)
      expect(await statusOf('shut.test', '/')).toBe(401)
      expect(await statusOf('app.test', '/', { headers: { 'X-Forwarded-For': '192.0.2.6' } })).toBe(401)
    })
  })

  it('no name is served by the site of another: other names get status 404', async () => {
    expect(await Promise.all(['unknown.test', 'www.test.evil', ''].map((name) => statusOf(name, '/')))).toEqual([404, 404, 400])
    expect((await get('www.test', '/')).body).toBe('home\n')
  })

  it('answer no client but the balancers and the host itself', async () => {
    expect(await statusOf('www.test', '/', { as: 'edge' })).toBe(200)
    for (const name of ['www.test', 'unknown.test']) {
      expect(await statusOf(name, '/', { as: 'database' })).toBe(0)
      expect(await statusOf(name, '/', { as: undefined })).toBe(0)
      expect(await statusOf(name, '/healthz', { as: 'database' })).toBe(0)
    }
    expect(await statusOf('www.test', '/', { maxVersion: 'TLSv1.2' })).toBe(0)
    // A certificate of another authority, and a request without TLS.
    const foreign = await server.run(
      `cd "$T"; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key -out cert -subj /CN=lb-01.edge.provision.internal 2>/dev/null
printf 'GET / HTTP/1.0\\r\\nHost: www.test\\r\\n\\r\\n' | timeout 10 openssl s_client -quiet -connect 127.0.0.1:${server.port} -cert cert -key key 2>/dev/null | head -c 4`,
    )
    expect(foreign.output).toBe('')
    const plain = await plainTo(server.port)
    plain.write('GET / HTTP/1.0\r\nHost: www.test\r\n\r\n')
    const [answer] = await Promise.race([once(plain, 'data'), once(plain, 'close')])
    expect(answer).toBe(false)
  })

  it('log requests with the address of the visitor, but no health checks and counters', async () => {
    await get('www.test', '/css/style.css?logged', { headers: { 'X-Forwarded-For': '192.0.2.77' } })
    for (const name of ['www.test', 'app.test', 'unknown.test']) await get(name, '/healthz')
    await fetch(`http://127.0.0.1:${server.status}/status`)
    const { output } = await server.run('cat /var/log/nginx/access.log')
    expect(output).toMatch(/^192\.0\.2\.77 www\.test "GET \/css\/style\.css\?logged HTTP\/1\.1" 200 \d+ [\d.]+ - "-" "-"$/m)
    expect(output).not.toMatch(/\/healthz HTTP\/1\.1" 200|\/status/)
  })

  it('answer a certificate of a balancer only from its address', async () => {
    const other = Object.values(networkInterfaces())
      .flatMap((all) => all ?? [])
      .find(({ internal, family }) => !internal && family === 'IPv4')
    if (other !== undefined) expect(await statusOf('www.test', '/', { address: other.address })).toBe(0)
  })

  it('name the serving host and send the configured headers with errors too, and no version', async () => {
    for (const path of ['/', '/nowhere']) {
      const { headers } = await get('www.test', path)
      expect(headers).toMatchObject({ 'x-served-by': 'web-01', 'x-site': 'www', server: 'nginx' })
    }
  })

  it('send files with an ETag that follows from their content, and no date', async () => {
    const [one, other] = [await get('www.test', '/'), await get('spa.test', '/')]
    expect(one.headers.etag).toMatch(/^"[0-9a-f]+-5"$/)
    expect(other.headers.etag).toBe(one.headers.etag)
    for (const { headers } of [one, other]) expect(headers['last-modified']).toBeUndefined()
    expect(await statusOf('spa.test', '/', { headers: { 'If-None-Match': one.headers.etag ?? '' } })).toBe(304)
    const part = { 'If-Range': one.headers.etag ?? '', Range: 'bytes=1-2' }
    expect(await get('spa.test', '/', { headers: part })).toMatchObject({ status: 206, body: 'om' })
    expect((await get('www.test', '/docs/')).headers.etag).not.toBe(one.headers.etag)
  })

  it('serve indexes, error pages and fallbacks', async () => {
    expect(await get('www.test', '/docs/')).toMatchObject({ status: 200, body: 'docs\n' })
    // A redirect without a host: nginx does not know the name and the scheme that visitors use.
    expect(await get('www.test', '/docs')).toMatchObject({ status: 301, headers: { location: '/docs/' } })
    expect(await get('www.test', '/nowhere')).toMatchObject({ status: 404, body: 'gone\n' })
    expect(await get('spa.test', '/deep/link')).toMatchObject({ status: 200, body: 'single page\n' })
  })

  it('redirect a whole site with its paths', async () => {
    expect(await get('old.test', '/a/b?c=d')).toMatchObject({ status: 301, headers: { location: 'https://www.test/a/b?c=d' } })
  })

  it('compress files, and never responses of applications', async () => {
    const headers = { 'Accept-Encoding': 'gzip' }
    expect((await get('www.test', '/css/style.css', { headers })).headers).toMatchObject({
      'content-encoding': 'gzip',
      vary: 'Accept-Encoding',
      'cache-control': 'public, max-age=60',
    })
    expect((await get('free.test', '/', { headers })).headers['content-encoding']).toBeUndefined()
    // Also for balancers that announce themselves; but a small file would grow.
    const proxied = { ...headers, Via: '1.1 balancer' }
    expect((await get('www.test', '/css/style.css', { headers: proxied })).headers['content-encoding']).toBe('gzip')
    for (const path of ['/', '/css/small.css'])
      expect((await get('www.test', path, { headers })).headers['content-encoding']).toBeUndefined()
  })

  it('pass requests to the application of the host at its port', async () => {
    expect(await get('own.test', '/page')).toMatchObject({ status: 200, body: expect.stringContaining('app /page\n') })
  })

  it('replace errors of an application by its own pages', async () => {
    expect(await get('oops.test', '/broken')).toMatchObject({ status: 500, body: expect.stringMatching(/^[^ ]*app \/oops\n/) })
    expect(await get('free.test', '/broken')).toMatchObject({ status: 500, body: expect.stringContaining('app /broken\n') })
  })

  it('limit concurrent connections per visitor', async () => {
    const visit = (from: string) => statusOf('narrow.test', '/slow', { headers: { 'X-Forwarded-For': from } })
    const [other, ...answers] = await Promise.all([visit('192.0.2.31'), ...Array.from({ length: 6 }, () => visit('192.0.2.30'))])
    expect(other).toBe(200)
    expect(answers.filter((status) => status === 429).length).toBeGreaterThan(1)
    expect(answers.filter((status) => status === 200).length).toBeGreaterThan(1)
  })

  it('serve host names of any length', async () => {
    expect(await statusOf(LONG, '/', { headers: { 'X-Forwarded-For': '192.0.2.32' } })).toBe(200)
  })

  it('pass the name, the scheme and the address of the visitor to the application', async () => {
    requests.length = 0
    const headers = { 'X-Forwarded-For': '192.0.2.7', 'X-Forwarded-Proto': 'https' }
    expect(await statusOf('free.test', '/page', { headers })).toBe(200)
    expect(requests.at(-1)?.headers).toMatchObject({ host: 'free.test', 'x-forwarded-for': '192.0.2.7', 'x-forwarded-proto': 'https' })
    expect(requests).toHaveLength(1)
    // The connection to the application is kept, and is no WebSocket.
    expect([requests.at(-1)?.headers.connection, requests.at(-1)?.headers.upgrade]).toEqual([undefined, undefined])
    for (let i = 0; i < 8; i++) await get('free.test', '/page', { headers })
    // Each worker has its own.
    expect(new Set(requests.map(({ socket }) => socket.remotePort)).size).toBeLessThan(9)
  })

  it('limit the size of requests, and requests per visitor', async () => {
    expect(await statusOf('free.test', '/', { method: 'POST', body: 'x'.repeat(1000) })).toBe(200)
    expect(await statusOf('free.test', '/', { method: 'POST', body: 'x'.repeat(1100) })).toBe(413)
    const visit = (from: string) => statusOf('few.test', '/', { headers: { 'X-Forwarded-For': from } })
    const answers = await Promise.all(Array.from({ length: 10 }, () => visit('192.0.2.8')))
    expect(answers.filter((status) => status === 429).length).toBeGreaterThan(4)
    expect(await visit('192.0.2.9')).toBe(200)
  })

  it('show counters on loopback at their own port only', async () => {
    const at = (path: string) => fetch(`http://127.0.0.1:${server.status}${path}`)
    expect(await (await at('/status')).text()).toMatch(/^Active connections: \d+/)
    expect((await at('/')).status).toBe(404)
  })
})

describe.runIf(hasNginx)('a site without host names', { timeout: 60_000 }, () => {
  let server: NginxServer
  beforeAll(async () => {
    // Last, so that it is not the first server by its position.
    const sites = [
      { name: 'shop', hosts: ['shop.test'], content: 'shop' },
      { name: 'all', content: 'pages' },
    ]
    server = await startNginx({ gzip: false, sites }, { pages: PAGES, shop: { 'index.html': 'shop\n' } })
  })
  afterAll(() => server?.stop())

  it('serves all other names', async () => {
    expect(await Promise.all(['shop.test', 'any.test'].map(async (name) => (await server.get(name, '/')).body))).toEqual([
      'shop\n',
      'home\n',
    ])
    expect((await server.get('any.test', '/', { as: 'database' })).status).toBe(0)
  })

  it('is not compressed if that is off', async () => {
    const headers = { 'Accept-Encoding': 'gzip' }
    expect((await server.get('any.test', '/css/style.css', { headers })).headers['content-encoding']).toBeUndefined()
  })
})
