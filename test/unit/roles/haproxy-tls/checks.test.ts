import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TlsOptions } from 'node:tls'
import { Pkcs10CertificateRequest } from '@peculiar/x509'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import haproxy from '../../../../roles/haproxy-tls/role.ts'
import { signAuthority, signerOf, signLeaf } from '../../../../src/authority/x509.ts'
import { host } from '../context.ts'
import { certificates } from './edge.ts'

const DAY = 86_400_000
const HSTS = { 'Strict-Transport-Security': 'max-age=63072000' }
const OK = '0 '

const files = mkdtempSync(join(tmpdir(), 'provision-verify-'))
const fileOf = (name: string): string => readFileSync(join(files, name), 'utf8')
const opened: Server[] = []
beforeAll(() => certificates(files, { site: 'www.site.test', wild: '*.wild.test' }))
afterEach(() => {
  for (const server of opened.splice(0)) server.close()
})
afterAll(() => rmSync(files, { recursive: true }))

const listening = async (server: Server, at: string | number = 0): Promise<number> => {
  opened.push(server)
  server.listen(typeof at === 'number' ? { port: at, host: '127.0.0.1' } : { path: at })
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** The checks of a balancer with these options, by name. */
const checksOf = (options: object) => {
  const balancer = host('lb-01', '127.0.0.1')
  const parsed = haproxy.options.parse({ certificates: [{ names: ['www.site.test'] }], ...options })
  const site = { hosts: [balancer], group: () => [balancer], withRole: () => [balancer] }
  return haproxy.verify?.({ host: balancer, options: parsed, flows: [], site }) ?? []
}
/** Exit status and output of a check that begins with this text, on a host whose ports and sockets are others. */
const verdict = async (beginning: string, moved: (script: string) => string, options: object = {}): Promise<string> => {
  const script = checksOf(options).find(({ name }) => name.startsWith(beginning))?.script
  if (script === undefined) throw new Error(`no check ${beginning}`)
  const scratch = mkdtempSync(join(files, 'run-'))
  const child = spawn('sh', ['-c', moved(String(script))], { env: { ...process.env, T: scratch }, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  const [code] = await once(child, 'close')
  return `${code} ${output.replaceAll(files, '').trim()}`
}

describe('the check of a name', { timeout: 30_000 }, () => {
  const answering =
    (status = 200, headers: object = HSTS): RequestListener =>
    (_, response) =>
      void response.writeHead(status, { ...headers }).end()
  const served = async (answer: RequestListener, { key = fileOf('site.key'), cert = fileOf('site.pem') + fileOf('ca.pem') } = {}) =>
    listening(createHttpsServer({ key, cert }, answer))
  const asked = async (port: number | Promise<number>, options: object = {}, name = 'www.site.test') => {
    const at = await port
    return verdict(name, (script) => script.replaceAll('127.0.0.1:443', `127.0.0.1:${at}`), options)
  }

  it('sends the request of a visitor, and prints nothing on success', async () => {
    const requests: string[] = []
    const noted: RequestListener = (request, response) => {
      requests.push(`${request.method} ${request.headers.host} ${request.url}`)
      answering(request.url === '/login' ? 401 : 200)(request, response)
    }
    expect(await asked(served(noted))).toBe(OK)
    expect(await asked(served(noted), { probe: { path: '/login', status: 401 } })).toBe(OK)
    const wild = { key: fileOf('wild.key'), cert: fileOf('wild.pem') + fileOf('ca.pem') }
    const options = { certificates: [{ names: ['*.wild.test'] }], acme: { dns_hook: ['x'] } }
    expect(await asked(served(noted, wild), options, '*.wild.test')).toBe(OK)
    expect(requests).toEqual(['GET www.site.test /', 'GET www.site.test /login', 'GET any.wild.test /'])
  })

  it.each([204, 301, 404])('accepts status %i of any page', async (status) => {
    expect(await asked(served(answering(status)))).toBe(OK)
  })

  it.each<[number, string, object?]>([
    [418, "GET / is answered with HTTP/1.1 418 I'm a Teapot"],
    [503, 'GET / is answered with HTTP/1.1 503 Service Unavailable'],
    [200, 'GET /login is answered with HTTP/1.1 200 OK', { probe: { path: '/login', status: 401 } }],
    [404, 'GET / is answered with HTTP/1.1 404 Not Found', { probe: {} }],
  ])('refuses status %i: %s', async (status, message, options) => {
    expect(await asked(served(answering(status)), options)).toBe(`1 ${message}`)
  })

  it('reports a missing response, header or certificate', async () => {
    expect(await asked(served((request) => void request.socket.destroy()))).toBe('1 GET / is answered with nothing')
    const header = '1 the response has no header Strict-Transport-Security: max-age=63072000'
    expect(await asked(served(answering(200, {})))).toBe(header)
    expect(await asked(served(answering(200, { 'Strict-Transport-Security': 'max-age=1' })))).toBe(header)
    expect(await asked(1)).toBe('1 port 443 presents no certificate for this name')
  })

  it('refuses a certificate that visitors would refuse', async () => {
    const request = new Pkcs10CertificateRequest(fileOf('site.csr'))
    const signed = async (issuer: string, from: number, to: number) => {
      const life = { from: new Date(Date.now() + from * DAY), to: new Date(Date.now() + to * DAY) }
      const leaf = await signLeaf(await signerOf(issuer, fileOf('ca.key')), request, { names: ['www.site.test'], usages: ['server'], life })
      return { cert: leaf + fileOf('ca.pem') }
    }
    expect(await asked(served(answering(), await signed('CN=ca', -1, 1)))).toBe(OK)
    expect(await asked(served(answering(), await signed('CN=ca', -2, -1)))).toBe('1 Certificate will expire')
    expect(await asked(served(answering(), await signed('CN=provision placeholder', -1, 1)))).toMatch(
      /^1 issuer=CN ?= ?provision placeholder$/,
    )
    expect(await asked(served(answering()), {}, 'www.site.test')).toBe(OK)
    const other = { certificates: [{ names: ['shop.site.test'] }] }
    expect(await asked(served(answering()), other, 'shop.site.test')).toBe('1 Hostname shop.site.test does NOT match certificate')
    // An authority whose root only the visitor knows, as that of Let's Encrypt.
    const life = { from: new Date(Date.now() - DAY), to: new Date(Date.now() + DAY) }
    const [root, issuer] = [await signerOf('CN=root', fileOf('ca.key')), await signerOf('CN=issuer', fileOf('wild.key'))]
    const leaf = await signLeaf(issuer, request, { names: ['www.site.test'], usages: ['server'], life })
    const chain = leaf + (await signAuthority(root, issuer, 'site.test', life))
    expect(await asked(served(answering(), { cert: chain }))).toBe(OK)
    const alone = { cert: fileOf('site.pem') }
    expect(await asked(served(answering(), alone))).toMatch(/^1 the certificate chain is not complete\n[^\n]*certificates?[^\n]*$/)
    const foreign = { cert: fileOf('site.pem') + fileOf('wild.pem') }
    expect(await asked(served(answering(), foreign))).toMatch(/^1 the certificate chain is not complete\n/)
  })
})

describe('the check of port 80', { timeout: 30_000 }, () => {
  it.each<[string, string, string]>([
    ['https://www.site.test/', 'passes', OK],
    ['http://www.site.test/', 'fails', '1 port 80 does not redirect to HTTPS'],
  ])('%s %s', async (location, _, expected) => {
    const port = await listening(createHttpServer((__, response) => void response.writeHead(301, { Location: location }).end()))
    const at = (to: number) => (script: string) => script.replaceAll('/dev/tcp/127.0.0.1/80', `/dev/tcp/127.0.0.1/${to}`)
    expect(await verdict('HTTP is redirected', at(port))).toBe(expected)
    expect(await verdict('HTTP is redirected', at(1))).toMatch(/1 port 80 does not redirect to HTTPS$|Connection refused/)
  })
})

describe('the check of TLS versions', { timeout: 30_000 }, () => {
  const versions = async (minVersion: TlsOptions['minVersion'], maxVersion: TlsOptions['maxVersion'], tls = 'intermediate') => {
    const weak = { ciphers: 'DEFAULT@SECLEVEL=0', minVersion, maxVersion }
    const port = await listening(createHttpsServer({ key: fileOf('site.key'), cert: fileOf('site.pem'), ...weak } as TlsOptions))
    return verdict('TLS versions', (script) => script.replaceAll('127.0.0.1:443', `127.0.0.1:${port}`), { tls })
  }

  it('names the version that is accepted or refused against the profile', async () => {
    expect(await versions('TLSv1.2', 'TLSv1.3')).toBe(OK)
    expect(await versions('TLSv1.3', 'TLSv1.3', 'modern')).toBe(OK)
    expect(await versions('TLSv1', 'TLSv1.3')).toBe('1 HAProxy accepts -tls1')
    expect(await versions('TLSv1.1', 'TLSv1.3')).toBe('1 HAProxy accepts -tls1_1')
    expect(await versions('TLSv1.2', 'TLSv1.3', 'modern')).toBe('1 HAProxy accepts -tls1_2')
    expect(await versions('TLSv1.3', 'TLSv1.3')).toBe('1 HAProxy refuses -tls1_2')
    expect(await versions('TLSv1.2', 'TLSv1.2')).toBe('1 HAProxy refuses -tls1_3')
  })
})

const hasSocat = spawnSync('socat', ['-V']).status === 0

describe.skipIf(!hasSocat)('the check of the web servers', { timeout: 30_000 }, () => {
  /** A socket of HAProxy with this answer. */
  const states = async (answer: string): Promise<string> => {
    const path = join(mkdtempSync(join(files, 'socket-')), 'admin.sock')
    await listening(
      createServer((connection) => connection.once('data', (asked) => connection.end(String(asked) === 'show stat\n' ? answer : 'what?'))),
      path,
    )
    return verdict('every web server', (script) => script.replaceAll('/run/provision-haproxy/admin.sock', path))
  }
  const row = (section: string, server: string, status: string, tracked = ''): string =>
    Object.assign(Array(60).fill(''), { 0: section, 1: server, 17: status, 31: tracked }).join(',')
  const table = (...rows: readonly string[]): string => `${[row('# pxname', 'svname', 'status', 'tracked'), ...rows].join('\n')}\n\n`
  const WELL = [row('http', 'FRONTEND', 'OPEN'), row('web', 'web-01', 'UP'), row('to-once', 'itself', 'no check')]

  it('names every server that is not healthy, once', async () => {
    expect(await states(table(...WELL, row('web', 'web-02', 'UP 1/2'), row('web', 'BACKEND', 'UP')))).toBe(OK)
    expect(await states(table(...WELL, row('web', 'web-02', 'DOWN'), row('web.once', 'web-02', 'DOWN', 'web/web-02')))).toBe(
      '1 web-02 in web: DOWN',
    )
    expect(await states(table(row('shop', 'web-01', 'MAINT'), row('shop', 'BACKEND', 'DOWN'), ...WELL, row('web', 'web-02', 'NOLB')))).toBe(
      '1 web-01 in shop: MAINT\nweb-02 in web: NOLB',
    )
  })

  it('needs the answer of HAProxy', async () => {
    expect(await states('')).toBe('1 HAProxy does not answer at its socket')
    expect(await verdict('every web server', (script) => script.replaceAll('/run/provision-haproxy', files))).toMatch(
      /^1 .*HAProxy does not answer at its socket$/s,
    )
  })
})

it('the checks need HAProxy, and come after its servers, whose failure is the cause', () => {
  expect(checksOf({}).map(({ name, follows, units }) => [name, follows, units])).toEqual([
    ['www.site.test is served over HTTPS', 'every web server is healthy', ['haproxy.service']],
    ['HTTP is redirected to HTTPS', undefined, ['haproxy.service']],
    ['TLS versions match the profile intermediate', undefined, ['haproxy.service']],
    ['certificates are renewed in time', undefined, undefined],
    ['every web server is healthy', undefined, ['haproxy.service']],
  ])
})
