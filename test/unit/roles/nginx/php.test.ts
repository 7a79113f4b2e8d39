import { once } from 'node:events'
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checksOf } from '../../../../roles/nginx/checks.ts'
import { faultsOf } from '../../../../roles/nginx/faults.ts'
import { options } from '../../../../roles/nginx/options.ts'
import { declaredBy, hasNginx, type NginxServer, startNginx } from './server.ts'

/** A FastCGI server that answers with the parameters of a request, as lines. `/missing.html` does not exist. */
const fastcgi = async (socket: string): Promise<Server> => {
  const server = createServer((client) => {
    let bytes = Buffer.alloc(0)
    client.on('error', () => undefined)
    client.on('data', (more) => {
      bytes = Buffer.concat([bytes, more])
      const records: (readonly [number, Buffer])[] = []
      for (let at = 0; at + 8 <= bytes.length; ) {
        const length = bytes.readUInt16BE(at + 4)
        records.push([bytes[at + 1] ?? 0, bytes.subarray(at + 8, at + 8 + length)])
        at += 8 + length + (bytes[at + 6] ?? 0)
      }
      const [last] = records.slice(-1)
      if (last?.[0] !== 5 || last[1].length > 0) return
      const given = paramsOf(Buffer.concat(records.flatMap(([type, content]) => (type === 4 ? [content] : []))))
      const status = given.get('REQUEST_URI') === '/missing.html' ? 'Status: 404 Not Found\r\n' : ''
      const body = Buffer.from(`${status}Content-Type: text/plain\r\n\r\n${[...given].map(([key, value]) => `${key}=${value}\n`).join('')}`)
      const head = (type: number, length: number) => Buffer.from([1, type, 0, 1, length >> 8, length & 255, 0, 0])
      client.end(Buffer.concat([head(6, body.length), body, head(3, 8), Buffer.alloc(8)]))
    })
  }).listen(socket)
  await once(server, 'listening')
  chmodSync(socket, 0o777)
  return server
}

const paramsOf = (bytes: Buffer): ReadonlyMap<string, string> => {
  const found = new Map<string, string>()
  let at = 0
  const length = (): number => {
    const first = bytes[at] ?? 0
    at += first < 128 ? 1 : 4
    return first < 128 ? first : bytes.readUInt32BE(at - 4) & 0x7fffffff
  }
  while (at < bytes.length) {
    const [key, value] = [length(), length()]
    found.set(bytes.toString('utf8', at, at + key), bytes.toString('utf8', at + key, at + key + value))
    at += key + value
  }
  return found
}

const PHP = { runtime: 'php', source: 'shop' }
const SITES = [
  { name: 'shop', hosts: ['shop.test'], app: { ...PHP, php: { root: 'public' } }, health: '/alive?deep=1', errors: { 404: '/404.html' } },
  { name: 'top', hosts: ['top.test'], app: { ...PHP, php: { root: '.' } } },
  {
    ...{ name: 'closed', hosts: ['closed.test'], app: { ...PHP, php: { root: '.' } }, users: { ann: 'sesame' } },
    locations: { '/admin': { users: { bob: 'simsim' } }, '/open.php': { public: true } },
  },
]
const TOP = ['index.php', 'vendor/phpunit/eval.php', 'vendor/data.json', 'composer.json', 'admin/index.php', 'open.php', 'style.css']
const FILES: Readonly<Record<string, readonly string[]>> = {
  shop: [
    ...['index.php', 'style.css', 'admin/index.php', 'admin/tool.php', '404.html', 'old.php7', 'old.PHP', 'lib.inc', '.env', '.git/x.php'],
    ...['docs/index.html', 'picture.jpg'],
  ].map((path) => `public/${path}`),
  top: TOP,
  closed: TOP,
}

describe.runIf(hasNginx)('a site that PHP answers', { timeout: 60_000 }, () => {
  let nginx: NginxServer
  let servers: readonly Server[] = []
  const root = (name: string) => join(nginx.directory, `srv/${name}/releases/1/app`)

  beforeAll(async () => {
    nginx = await startNginx({ sites: SITES })
    for (const [name, paths] of Object.entries(FILES)) {
      for (const path of paths) {
        mkdirSync(dirname(join(root(name), path)), { recursive: true })
        writeFileSync(join(root(name), path), `content of ${path}`)
      }
      symlinkSync('releases/1', join(nginx.directory, `srv/${name}/current`))
    }
    mkdirSync(join(nginx.directory, 'uploads'))
    for (const name of ['evil.php', 'picture.jpg']) writeFileSync(join(nginx.directory, 'uploads', name), 'content of an upload')
    symlinkSync(join(nginx.directory, 'uploads'), join(root('shop'), 'public/up'))
    servers = await Promise.all(Object.keys(FILES).map((name) => fastcgi(join(nginx.directory, `provision-app-${name}.sock`))))
  }, 60_000)
  afterAll(async () => {
    await nginx?.stop()
    for (const server of servers) server.close()
  })

  /** The script that PHP executes, or the content that nginx serves. */
  const answered = async (host: string, path: string, headers: Readonly<Record<string, string>> = {}) => {
    const { status, body } = await nginx.get(host, path, { headers })
    const script = /^SCRIPT_NAME=(.*)$/m.exec(body)?.[1]
    return script ?? `${status} ${body.split('\r\n')[0]}`
  }

  it.each([
    ['/', '/index.php'],
    ['/cart/7?x=1', '/index.php'],
    ['/style.css', '200 content of public/style.css'],
    ['/admin/', '/admin/index.php'],
    ['/admin', '/index.php'],
    ['/admin/tool.php', '/admin/tool.php'],
    ['/index.php', '/index.php'],
    ['/index.php/cart', '/index.php'],
    ['/docs/', '/index.php'],
    ['/docs/index.html', '200 content of public/docs/index.html'],
    ['/picture.jpg', '200 content of public/picture.jpg'],
    ['/picture.jpg/x.php', '/index.php'],
    ['/nothing.php', '/index.php'],
    ['/up/evil.php', '/index.php'],
    ['/up/picture.jpg', '/index.php'],
    ['/old.php7', '/index.php'],
    ['/old.PHP', '/index.php'],
    ['/lib.inc', '/index.php'],
    ['/.env', '/index.php'],
    ['/.git/x.php', '/index.php'],
    ['/%2e%2e/%2e%2e/x.php', '400 <html>'],
    ['/a/..%2f.env', '/index.php'],
    ['/.well-known/openid-configuration', '/index.php'],
  ])('%s is %s', async (path, expected) => {
    expect(await answered('shop.test', path)).toBe(expected)
  })

  it.each([
    ['/vendor/phpunit/eval.php', '/index.php'],
    ['/vendor/data.json', '/index.php'],
    ['/composer.json', '/index.php'],
    ['/admin/', '/admin/index.php'],
    ['/style.css', '200 content of style.css'],
  ])('at the top of its source, %s is %s', async (path, expected) => {
    expect(await answered('top.test', path)).toBe(expected)
  })

  it('gets the request of the visitor, and the release by its real path', async () => {
    const headers = { Proxy: 'http://evil.test', 'X-Forwarded-For': '192.0.2.7', 'X-Forwarded-Proto': 'https' }
    const { body } = await nginx.get('shop.test', '/cart?x=1', { headers })
    const given = Object.fromEntries(body.split('\n').map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]))
    expect(given).toMatchObject({
      ...{ REQUEST_URI: '/cart?x=1', QUERY_STRING: 'x=1', REQUEST_METHOD: 'GET', HTTPS: 'on', SERVER_PORT: '443', HTTP_HOST: 'shop.test' },
      ...{ SCRIPT_FILENAME: `${root('shop')}/public/index.php`, DOCUMENT_ROOT: `${root('shop')}/public` },
    })
    expect(given).not.toHaveProperty('HTTP_PROXY')
    expect(given.HTTP_X_FORWARDED_FOR).toBe(given.REMOTE_ADDR)
    expect((await nginx.get('shop.test', '/')).body).not.toContain('HTTPS=')
  })

  it('has health checks and error pages', async () => {
    const { status, body } = await nginx.get('shop.test', '/healthz')
    expect(status).toBe(200)
    expect(body).toContain('REQUEST_URI=/alive?deep=1\n')
    expect(body).toContain('QUERY_STRING=deep=1\n')
    expect((await nginx.get('top.test', '/healthz')).body).toBe('ok\n')
    expect(await nginx.get('shop.test', '/missing.html')).toMatchObject({ status: 404, body: 'content of public/404.html' })
  })

  it('asks for the password of the path, of files and of scripts', async () => {
    const as = (user: string) => ({ Authorization: `Basic ${Buffer.from(user).toString('base64')}` })
    for (const path of ['/', '/cart', '/style.css', '/admin/', '/admin/x']) expect(await answered('closed.test', path)).toMatch(/^401 /)
    expect(await answered('closed.test', '/cart', as('ann:sesame'))).toBe('/index.php')
    expect(await answered('closed.test', '/admin/', as('ann:sesame'))).toMatch(/^401 /)
    expect(await answered('closed.test', '/admin/', as('bob:simsim'))).toBe('/admin/index.php')
    expect(await answered('closed.test', '/open.php')).toBe('/open.php')
  })
})

describe('a site that PHP answers', () => {
  const faults = (site: object) =>
    faultsOf(options.parse({ sites: [{ name: 'www', app: PHP, ...site }] })).map(({ path, what }) => [path.at(-1), what])

  it.each<[object, PropertyKey]>([
    [{ content: 'x' }, 'content'],
    [{ stream_uploads: true }, 'stream_uploads'],
    [{ index: 'home.html' }, 'index'],
  ])('refuses %o', (more, key) => {
    expect(faults(more)).toEqual([[key, `${String(key)} of site www has no effect with runtime: php`]])
  })

  it('is accepted with limits, and verified by PHP', () => {
    const site = { name: 'www', app: PHP, body_max: '50m', timeout_seconds: 60 }
    expect(faults(site)).toEqual([])
    expect(checksOf(options.parse({ sites: [site] }), 'web-01').map(({ name }) => name)).toContain('PHP on web-01 answers for www')
    const keys = declaredBy({ sites: [site] }, { shop: { 'index.php': '' } }).map(({ kind, id }) => `${kind.name}:${id}`)
    expect(keys.indexOf('service:provision-app-www.service')).toBeLessThan(keys.indexOf('service:nginx.service'))
  })
})
