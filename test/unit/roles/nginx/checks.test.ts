import { once } from 'node:events'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checksOf } from '../../../../roles/nginx/checks.ts'
import { options } from '../../../../roles/nginx/options.ts'
import { hasNginx, type NginxServer, startNginx } from './server.ts'

const PAGES = { 'index.html': 'home\n', 'a b.txt': 'x\n' }

describe.runIf(hasNginx)('the checks of nginx', { timeout: 60_000 }, () => {
  let health = 200
  const application = createServer((_, response) => void response.writeHead(health).end('app'))
  let server: NginxServer
  const sites = (port: number): readonly object[] => [
    { name: 'www', hosts: ['*.wild.test', 'www.test'], content: 'pages' },
    { name: 'plain', hosts: ['plain.test'], content: 'files' },
    { name: 'empty', hosts: ['empty.test'], content: 'strange' },
    {
      name: 'locked',
      hosts: ['locked.test'],
      content: 'pages',
      raw: 'auth_basic staff; auth_basic_user_file /dev/null;',
      probe: { status: 401 },
    },
    { name: 'moved', hosts: ['moved.test'], content: 'pages', raw: 'return 302 https://www.test;' },
    { name: 'app', hosts: ['app.test'], proxy: `http://127.0.0.1:${port}`, health: '/alive', probe: { path: '/login' } },
  ]
  beforeAll(async () => {
    application.listen(0, '127.0.0.1')
    await once(application, 'listening')
    const { port } = application.address() as AddressInfo
    server = await startNginx(
      { sites: sites(port) },
      { pages: PAGES, files: { 'a b.txt': 'x\n', 'plain.txt': 'y\n' }, strange: { 'a b.txt': 'x\n' } },
    )
  })
  afterAll(async () => {
    await server?.stop()
    application.close()
  })
  /** The checks with another result than success, after a change of files of the host. */
  const failed = async (damage = ':', given: object = { sites: sites(1), port: server.port }): Promise<readonly string[]> => {
    expect(await server.run(`cd /var/www/provision; ${damage}`)).toMatchObject({ code: 0 })
    const all = checksOf(options.parse(given), 'web-01')
    const results = await Promise.all(all.map(async ({ name, script }) => ({ name, ...(await server.run(script)) })))
    return results.flatMap(({ name, code, output }) => (code === 0 ? [] : [`${code} ${name}: ${output.trim()}`]))
  }
  const NOT_APPLICABLE = ['locked', 'moved'].map((name) => `77 ${name} on web-01 serves the deployed content: `)

  it('pass on a host as declared, and leave out content behind passwords and redirects', async () => {
    expect(await failed()).toEqual(NOT_APPLICABLE)
    const names = checksOf(options.parse({ content: 'pages', sites: sites(1) }), 'web-01').map(({ name }) => name)
    expect(names).toEqual([
      ...['site', 'www', 'plain', 'empty'].flatMap((name) => [
        `${name} on web-01 answers over TLS`,
        `${name} on web-01 serves the deployed content`,
      ]),
      'locked on web-01 answers over TLS',
      'locked on web-01 answers / with status 401',
      'locked on web-01 serves the deployed content',
      'moved on web-01 answers over TLS',
      'moved on web-01 serves the deployed content',
      'app on web-01 answers over TLS',
      'app on web-01 answers /login with status 200',
      'nginx on web-01 does not answer without a client certificate',
    ])
  })

  it('fail for a file that differs, is missing, or was never deployed', async () => {
    expect(await failed('echo edited >www/current/index.html')).toEqual([
      '1 www on web-01 serves the deployed content: /index.html differs from the deployed file',
      ...NOT_APPLICABLE,
    ])
    expect(await failed('rm www/current/index.html plain/current/plain.txt')).toEqual([
      '1 www on web-01 serves the deployed content: GET /index.html for any.wild.test is answered with HTTP/1.1 404 Not Found',
      '1 plain on web-01 serves the deployed content: GET /plain.txt for plain.test is answered with HTTP/1.1 404 Not Found',
      ...NOT_APPLICABLE,
    ])
    expect(await failed('rm plain/current')).toContain('1 plain on web-01 serves the deployed content: no release is deployed')
  })

  it('fail for an unhealthy application', async () => {
    health = 500
    expect((await failed()).filter((line) => line.includes(' app '))).toEqual([
      '1 app on web-01 answers over TLS: GET /healthz for app.test is answered with HTTP/1.1 500 Internal Server Error',
      '1 app on web-01 answers /login with status 200: GET /login for app.test is answered with HTTP/1.1 500 Internal Server Error',
    ])
    health = 200
  })

  it('fail for every site if nothing listens', async () => {
    const lines = await failed(':', { sites: sites(1), port: 1 })
    expect(lines[0]).toBe('1 www on web-01 answers over TLS: GET /healthz for any.wild.test is answered with nothing')
    expect(lines.filter((line) => line.startsWith('1 '))).toHaveLength(12)
  })

  it('fail for a server that answers anybody, or that is another one', async () => {
    const file = async (name: string): Promise<string> => (await server.run(`cat "$(dirname /etc/ssl/nginx/edge.pem)"/${name}`)).output
    const answering = async (certificate: string) => {
      const options = { cert: await file(`${certificate}.pem`), key: await file(`${certificate}.key`), ca: await file('ca.pem') }
      const other = createTlsServer(
        { ...options, requestCert: true, rejectUnauthorized: false },
        (_, response) => void response.end('anybody'),
      )
      other.listen(0, '127.0.0.1')
      await once(other, 'listening')
      try {
        const { port } = other.address() as AddressInfo
        return await failed(':', { sites: [{ name: 'app', hosts: ['app.test'], proxy: 'http://127.0.0.1:1' }], port })
      } finally {
        other.close()
      }
    }
    expect(await answering('edge')).toEqual([
      '1 nginx on web-01 does not answer without a client certificate: it answers a client without a certificate',
    ])
    // Another host of the site, and a host that somebody else certified.
    const refused = ['1 app on web-01 answers over TLS: GET /healthz for app.test is answered with nothing']
    expect(await answering('database')).toEqual(refused)
    await server.run(`cd "$(dirname /etc/ssl/nginx/edge.pem)"; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \\
-keyout foreign.key -out foreign.pem -subj /CN=web-01.edge.provision.internal -addext subjectAltName=DNS:web-01.edge.provision.internal`)
    expect(await answering('foreign')).toEqual(refused)
  })

  it('need nginx, and the application that they ask', () => {
    const app = { name: 'shop', app: { command: '/bin/app', port: 3000 } }
    expect(checksOf(options.parse({ content: 'x', sites: [{ ...app, hosts: ['a.test'] }] }), 'web-01').map(({ units }) => units)).toEqual([
      ['nginx.service'],
      ['nginx.service'],
      ['nginx.service', 'provision-app-shop.service'],
      ['nginx.service'],
    ])
  })
})
