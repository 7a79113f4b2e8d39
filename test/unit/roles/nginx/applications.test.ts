import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { faultsOf } from '../../../../roles/nginx/faults.ts'
import { options } from '../../../../roles/nginx/options.ts'
import { freePort } from '../haproxy-tls/edge.ts'
import { hasNginx, type NginxServer, startNginx } from './server.ts'

const PAGES = { 'index.html': 'home\n', 'docs/index.html': 'docs\n', 'style.css': `${'a {}\n'.repeat(1000)}` }
const MODIFIED = 'Wed, 01 Jan 2025 00:00:00 GMT'

/** An application that returns the method and path of a request. Its pages have a time of modification. */
const answering = async (name: string, at: number | string = 0): Promise<Server> => {
  const server = createServer(async (request: IncomingMessage, response) => {
    const sum = createHash('sha256')
    let first: number | undefined
    for await (const chunk of request) {
      first ??= Date.now()
      sum.update(chunk)
    }
    response.setHeader('Last-Modified', MODIFIED)
    if (request.headers['if-modified-since'] === MODIFIED) return response.writeHead(304).end()
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '')
    if (range !== null) {
      const part = '0123456789'.slice(Number(range[1]), Number(range[2]) + 1)
      return response.writeHead(206, { 'Content-Length': part.length }).end(part)
    }
    response.setHeader('X-First', String(first ?? ''))
    response.end(request.method === 'PUT' ? sum.digest('hex') : `${name} ${request.method} ${request.url}`)
  })
  if (typeof at === 'string') server.listen(at)
  else server.listen(at, '127.0.0.1')
  await once(server, 'listening')
  return server
}
const portOf = (server: Server): number => (server.address() as AddressInfo).port

describe.runIf(hasNginx)('applications', { timeout: 60_000 }, () => {
  const scratch = mkdtempSync(join(tmpdir(), 'provision-sockets-'))
  const socket = join(scratch, 'socket')
  let servers: readonly Server[]
  let dead = 0
  let nginx: NginxServer

  beforeAll(async () => {
    servers = [await answering('one'), await answering('two'), await answering('socket', socket)]
    chmodSync(scratch, 0o755)
    chmodSync(socket, 0o777)
    dead = await freePort()
    const [one = 0, two = 0] = servers.slice(0, 2).map(portOf)
    const upload = { proxy: `http://127.0.0.1:${one}`, body_max: '50m' }
    nginx = await startNginx(
      {
        sites: [
          { name: 'mixed', hosts: ['mixed.test'], content: 'pages', proxy: `http://127.0.0.1:${one}`, body_max: '50m' },
          {
            ...{ name: 'closed', hosts: ['closed.test'], content: 'pages', proxy: `http://127.0.0.1:${one}`, users: { ann: 'sesame' } },
            locations: { '/admin': { users: { bob: 'simsim' } }, '/open': { public: true } },
          },
          { name: 'many', hosts: ['many.test'], proxy: [`http://127.0.0.1:${one}`, `http://127.0.0.1:${two}`] },
          { name: 'half', hosts: ['half.test'], proxy: [`http://127.0.0.1:${dead}`, `http://127.0.0.1:${two}`] },
          {
            ...{ name: 'socket', hosts: ['socket.test'], proxy: `unix:${socket}` },
            locations: { '/many': { proxy: [`http://127.0.0.1:${one}`, `http://127.0.0.1:${two}`] } },
          },
          { name: 'streamed', hosts: ['streamed.test'], ...upload, stream_uploads: true },
        ],
      },
      { pages: PAGES },
    )
  }, 60_000)
  afterAll(async () => {
    await nginx?.stop()
    for (const server of servers ?? []) server.close()
    rmSync(scratch, { recursive: true })
  })

  it('serve the paths for which their site has no file', async () => {
    const answers = await Promise.all(['/', '/docs/', '/docs', '/style.css?x', '/cart?id=1'].map((path) => nginx.get('mixed.test', path)))
    expect(answers.map(({ status, body }) => [status, body.slice(0, 20)])).toEqual([
      [200, 'home\n'],
      [200, 'docs\n'],
      [200, 'one GET /docs'],
      [200, PAGES['style.css'].slice(0, 20)],
      [200, 'one GET /cart?id=1'],
    ])
    expect((await nginx.get('mixed.test', '/cart', { method: 'POST', body: 'x' })).body).toBe('one POST /cart')
  })

  it.each([
    ['/cart', undefined, 401],
    ['/cart', 'ann:sesame', 200],
    ['/admin/x', 'ann:sesame', 401],
    ['/admin/x', 'bob:simsim', 200],
    ['/open/x', undefined, 200],
  ])('beside files ask for the password of the path: %s for %s is %i', async (path, user, expected) => {
    const headers = user === undefined ? {} : { Authorization: `Basic ${Buffer.from(user).toString('base64')}` }
    expect((await nginx.get('closed.test', path, { headers })).status).toBe(expected)
  })

  it('and files each answer conditional requests and ranges', async () => {
    const file = await nginx.get('mixed.test', '/style.css')
    const etag = file.headers.etag ?? ''
    expect(etag).toMatch(/^"/)
    expect(file.headers['last-modified']).toBe(undefined)
    expect((await nginx.get('mixed.test', '/style.css', { headers: { 'If-None-Match': etag } })).status).toBe(304)
    expect(await nginx.get('mixed.test', '/style.css', { headers: { Range: 'bytes=0-3' } })).toMatchObject({ status: 206, body: 'a {}' })
    const page = await nginx.get('mixed.test', '/cart')
    expect(page.headers['last-modified']).toBe(MODIFIED)
    expect((await nginx.get('mixed.test', '/cart', { headers: { 'If-Modified-Since': MODIFIED } })).status).toBe(304)
    expect(await nginx.get('mixed.test', '/cart', { headers: { Range: 'bytes=2-4' } })).toMatchObject({ status: 206, body: '234' })
  })

  it('compress files, but no response of the application', async () => {
    const encoding = async (path: string) =>
      (await nginx.get('mixed.test', path, { headers: { 'Accept-Encoding': 'gzip' } })).headers['content-encoding']
    expect([await encoding('/style.css'), await encoding('/cart')]).toEqual(['gzip', undefined])
  })

  it('share the requests of a site, except one that does not answer', async () => {
    const names = async (site: string, path = '/') => {
      const answers = await Promise.all(Array.from({ length: 12 }, () => nginx.get(site, path)))
      return [...new Set(answers.map(({ body }) => body.split(' ', 1)[0]))].sort()
    }
    expect(await names('many.test')).toEqual(['one', 'two'])
    expect(await names('socket.test', '/many')).toEqual(['one', 'two'])
    expect(await names('half.test')).toEqual(['two'])
  })

  it('may listen on a socket', async () => {
    expect((await nginx.get('socket.test', '/a?b')).body).toBe('socket GET /a?b')
  })

  it('take uploads of 50 MB, and no larger ones', async () => {
    const picture = randomBytes(50 * 2 ** 20)
    const digest = createHash('sha256').update(picture).digest('hex')
    const put = (site: string, body: Buffer) =>
      nginx.get(site, '/picture', { method: 'PUT', body: body.toString('latin1'), encoding: 'latin1' })
    expect((await put('mixed.test', picture)).body).toBe(digest)
    expect((await put('streamed.test', picture)).body).toBe(digest)
    expect((await put('mixed.test', Buffer.concat([picture, Buffer.alloc(1)]))).status).toBe(413)
  })

  it('receive an upload before it is complete only if that is declared', async () => {
    const began = async (site: string) => {
      const { headers } = await nginx.get(site, '/picture', { method: 'PUT', body: 'ab', pauseMs: 1500 })
      return Number(headers['x-first'])
    }
    const start = Date.now()
    const [buffered, streamed] = [await began('mixed.test'), await began('streamed.test')]
    expect(buffered - start).toBeGreaterThan(1400)
    expect(streamed - start).toBeLessThan(2900)
  })
})

describe('the faults of applications', () => {
  const faults = (site: object) => faultsOf(options.parse({ sites: [{ name: 'www', ...site }] })).map(({ what }) => what)

  it.each<[object, readonly string[]]>([
    [{ content: 'x', proxy: 'http://127.0.0.1:1' }, []],
    [{ content: 'x', app: { command: '/bin/app', port: 1 } }, []],
    [
      { proxy: 'http://127.0.0.1:1', app: { command: '/bin/app', port: 1 } },
      ['site www needs exactly one of content, proxy, app and redirect, or content beside proxy or app'],
    ],
    [
      { content: 'x', redirect: 'https://example.org' },
      ['site www needs exactly one of content, proxy, app and redirect, or content beside proxy or app'],
    ],
    [{}, ['site www needs exactly one of content, proxy, app and redirect, or content beside proxy or app']],
    [{ content: 'x', proxy: 'http://127.0.0.1:1', fallback: '/a' }, ['fallback of site www has no effect beside an application']],
    [{ content: 'x', stream_uploads: true }, ['stream_uploads of site www has no effect without an application']],
    [{ app: { command: '/bin/app' } }, ['the application has no port']],
  ])('%o', (site, expected) => {
    expect(faults(site)).toEqual(expected)
  })

  it.each([
    [['http://127.0.0.1:1', 'http://127.0.0.1:1']],
    [['http://127.0.0.1:1', 'https://127.0.0.1:2']],
    [['https://a.example.org', 'https://b.example.org']],
    [[]],
  ])('refuses the addresses %o', (proxy) => {
    expect(options.safeParse({ sites: [{ name: 'www', proxy }] }).success).toBe(false)
    expect(options.safeParse({ sites: [{ name: 'www', content: 'x', locations: { '/a': { proxy } } }] }).success).toBe(false)
  })
})
