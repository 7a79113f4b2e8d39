import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { faultsOf } from '../../../../roles/nginx/faults.ts'
import { options } from '../../../../roles/nginx/options.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { declaredBy, hasNginx, type NginxServer, startNginx } from './server.ts'

const PAGES = { 'index.html': 'home\n', 'admin/index.html': 'admin\n', 'admin/open/a.html': 'open\n', 'intern/a.html': 'intern\n' }
const basic = (user: string, password: string) => ({
  headers: { Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` },
})
const ANN = basic('ann', 'sesame')

describe.runIf(hasNginx)('parts of a site', { timeout: 60_000 }, () => {
  const answering = (name: string) =>
    createServer((request: IncomingMessage, response) => response.end(`${name} ${request.url} ${request.headers.upgrade ?? ''}\n`))
  const [main, api] = [answering('main'), answering('api')]
  let server: NginxServer

  beforeAll(async () => {
    for (const one of [main, api]) {
      one.listen(0, '127.0.0.1')
      await once(one, 'listening')
    }
    const at = (one: typeof main) => `http://127.0.0.1:${(one.address() as AddressInfo).port}`
    const users = { ann: new Secret('sesame') }
    const sites = [
      {
        name: 'www',
        hosts: ['www.test'],
        content: 'pages',
        locations: {
          '/admin': { users },
          '/admin/open': { public: true },
          '/intern': { allow: ['192.0.2.0/24'] },
          '/api': { proxy: at(api) },
          '/api/hooks': { public: true },
          '/stripped': { proxy: at(api), strip: true },
          '/stripped/in/ner': { public: true },
        },
        redirects: {
          '/old.html': '/new.html',
          '/blog/**': 'https://blog.test/**',
          '/root/**': '/**',
          '/all/**': { to: '/one', status: 302 },
        },
        cors: { origins: ['https://a.test'], methods: ['GET', 'PUT'], credentials: true },
      },
      {
        name: 'closed',
        hosts: ['closed.test'],
        proxy: at(main),
        users,
        allow: ['127.0.0.0/8'],
        health: '/alive',
        locations: { '/hook': { public: true } },
      },
      { name: 'timed', hosts: ['timed.test'], proxy: at(main), timeout_seconds: 5, locations: { '/admin': { users } } },
    ]
    server = await startNginx({ sites }, { pages: PAGES })
  })
  afterAll(async () => {
    await server?.stop()
    main.close()
    api.close()
  })
  const statusOf = async (...words: Parameters<NginxServer['get']>): Promise<number> => (await server.get(...words)).status
  const locationOf = async (path: string): Promise<string> => {
    const { status, headers } = await server.get('www.test', path)
    return `${status} ${headers.location}`
  }

  it.each(['/admin', '/admin/', '/admin/index.html', '//admin/', '/x/../admin/', '/%61dmin/', '/x%2f..%2fadmin/', '/admin/open/../'])(
    '%s needs a password',
    async (path) => {
      expect(await statusOf('www.test', path)).toBe(401)
      expect(await statusOf('www.test', path, basic('ann', 'wrong'))).toBe(401)
      expect([200, 301]).toContain(await statusOf('www.test', path, ANN))
    },
  )

  it('has open parts within closed ones, and open neighbours', async () => {
    expect(await server.get('www.test', '/admin/open/a.html')).toMatchObject({ status: 200, body: 'open\n' })
    expect(await statusOf('www.test', '/')).toBe(200)
    expect(await statusOf('www.test', '/administration')).toBe(404)
  })

  it('admits the declared networks only, by the address of the visitor', async () => {
    const from = (address: string) => ({ headers: { 'X-Forwarded-For': address } })
    expect(await statusOf('www.test', '/intern/a.html', from('192.0.2.7'))).toBe(200)
    expect(await statusOf('www.test', '/intern/a.html', from('198.51.100.1'))).toBe(403)
    expect(await statusOf('www.test', '/', from('198.51.100.1'))).toBe(200)
  })

  it('can be other applications, with or without the beginning of the path', async () => {
    expect((await server.get('www.test', '/api/users?a=1')).body).toBe('api /api/users?a=1 \n')
    expect((await server.get('www.test', '/api')).body).toBe('api /api \n')
    expect((await server.get('www.test', '/stripped/users?a=1')).body).toBe('api /users?a=1 \n')
    expect((await server.get('www.test', '/stripped')).body).toBe('api / \n')
    expect(await statusOf('www.test', '/apiary')).toBe(404)
  })

  it('pass requests to the application of the part above', async () => {
    const bodyOf = async (path: string): Promise<string> => (await server.get('www.test', path)).body
    expect(await bodyOf('/api/hooks')).toBe('api /api/hooks \n')
    expect(await bodyOf('/api/hooks/new?a=1')).toBe('api /api/hooks/new?a=1 \n')
    expect(await bodyOf('/stripped/in/ner')).toBe('api /in/ner \n')
    expect(await bodyOf('/stripped/in/ner/x?a=1')).toBe('api /in/ner/x?a=1 \n')
  })

  it('are closed with the site, but for health checks and public parts', async () => {
    expect(await statusOf('closed.test', '/')).toBe(401)
    expect(await statusOf('closed.test', '/', ANN)).toBe(200)
    expect(await statusOf('closed.test', '/hook/x')).toBe(200)
    expect(await statusOf('closed.test', '/hook/x', { headers: { 'X-Forwarded-For': '192.0.2.1' } })).toBe(200)
    expect(await statusOf('closed.test', '/', { headers: { ...ANN.headers, 'X-Forwarded-For': '192.0.2.1' } })).toBe(403)
    expect((await server.get('closed.test', '/healthz')).body).toBe('main /alive \n')
  })

  it('cannot be entered as a WebSocket without the password', async () => {
    const upgrade = { Upgrade: 'websocket' }
    expect(await statusOf('timed.test', '/admin/ws', { headers: upgrade })).toBe(401)
    expect(await statusOf('timed.test', '/admin/ws', { headers: { ...upgrade, ...ANN.headers } })).toBe(200)
  })

  it('redirects paths with their query, and what is below them', async () => {
    expect(await locationOf('/old.html?a=1')).toBe('301 /new.html?a=1')
    expect(await locationOf('/blog')).toBe('301 https://blog.test')
    expect(await locationOf('/blog/2026/a%20b?c=d')).toBe('301 https://blog.test/2026/a%20b?c=d')
    expect(await locationOf('/all/x')).toBe('302 /one')
    expect(await locationOf('/all')).toBe('302 /one')
    expect(await statusOf('www.test', '/old.html/x')).toBe(404)
  })

  it.each(['/root//evil.test', '/root/\\\\evil.test', '/root/%0d%0aSet-Cookie:a', '/root/%2f%2fevil.test'])(
    'never redirects %s to another host, nor adds a header',
    async (path) => {
      const { headers } = await server.get('www.test', path)
      expect(headers['set-cookie']).toBeUndefined()
      expect(headers.location).toMatch(/^\/(?![/\\])/)
    },
  )

  it('lets pages of declared origins read responses', async () => {
    const asked = async (origin: string, method = 'GET') => server.get('www.test', '/', { method, headers: { Origin: origin } })
    const allowed = await asked('https://a.test', 'OPTIONS')
    expect(allowed).toMatchObject({
      status: 204,
      headers: {
        'access-control-allow-origin': 'https://a.test',
        'access-control-allow-methods': 'GET, PUT',
        'access-control-allow-headers': 'Content-Type',
      },
    })
    expect((await asked('https://a.test')).headers).toMatchObject({ 'access-control-allow-credentials': 'true' })
    for (const origin of ['https://b.test', 'https://a.test.evil.test', 'null'])
      expect((await asked(origin)).headers['access-control-allow-origin'], origin).toBeUndefined()
    expect((await asked('https://b.test', 'OPTIONS')).status).not.toBe(204)
  })
})

describe('options of parts', () => {
  const site = (more: object) => ({ sites: [{ name: 'www', content: 'pages', ...more }] })
  const refused = (more: object): readonly string[] => {
    const found = options.safeParse(site(more))
    return found.success ? faultsOf(found.data).map(({ what }) => what) : [JSON.stringify(found.error.issues)]
  }

  it.each([
    [{ locations: { '/': {} } }, /without a slash at its end/],
    [{ locations: { '/a/': {} } }, /without a slash at its end/],
    [{ locations: { '/a b': {} } }, /must be a path/],
    [{ locations: { '/a/../b': {} } }, /must be a path/],
    [{ locations: { '/a': { proxy: 'http://x/path' } } }, /must be an address without a path/],
    [{ locations: { '/a': { strip: true } } }, /strip has no effect/],
    [{ locations: { '/healthz': {} } }, /health checks/],
    [{ locations: { '/a': {} }, redirects: { '/a/**': '/b' } }, /redirected as well/],
    [{ redirects: { '/a': 'javascript:x' } }, /must be a path/],
    [{ redirects: { '/a': '/b;return 200' } }, /must be a path/],
    [{ content: undefined, redirect: 'https://x.test', users: { a: 'b' } }, /has no effect/],
    [{ cors: { origins: ['*'] } }, /must be an origin/],
    [{ users: {} }, /at least one user/],
    [{ users: { ann: 'x'.repeat(512) } }, /at most 511 bytes/],
    [{ allow: ['x'] }, /IP address/],
  ])('%j is refused', (more, why) => {
    expect(refused(more).join()).toMatch(why)
  })

  it('passwords are in files that the workers of nginx can read, and not in the configuration', () => {
    const declared = declaredBy(site({ users: { ann: 'sesame' }, locations: { '/a_b/c': { users: { bob: 'other' } } } }), { pages: PAGES })
    const files = declared.filter(({ kind }) => kind.name === 'file')
    const users = files.filter(({ id }) => id.endsWith('.users'))
    expect(users.map(({ id, spec }) => [id, (spec as { mode: string; group: string }).mode, (spec as { group: string }).group])).toEqual([
      ['/etc/nginx/provision/www.users', '640', 'www-data'],
      ['/etc/nginx/provision/www_a__b_c.users', '640', 'www-data'],
    ])
    expect(JSON.stringify(files)).not.toContain('sesame')
  })
})
