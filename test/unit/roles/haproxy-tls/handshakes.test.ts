import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answering, type Balancer, hasHaproxy, startBalancer } from './balancer.ts'
import { plainTo } from './edge.ts'

const PAGE = 'a word '.repeat(1000)
const answer: Answering = (request, response, server) => {
  const type = request.url === '/picture' ? 'image/png' : 'text/html'
  response.writeHead(200, { 'Content-Type': type }).end(request.url === '/' ? server : PAGE)
}

const visitor = async (port: number, options: ConnectionOptions): Promise<TLSSocket> => {
  const socket = connect({ port, host: '127.0.0.1', servername: 'www.site.test', rejectUnauthorized: false, ...options })
  await once(socket, 'secureConnect')
  return socket
}
/** Version, cipher and protocol that the balancer agrees on, or `refused`. */
const agreed = async (port: number, options: ConnectionOptions): Promise<string> => {
  try {
    const socket = await visitor(port, options)
    const found = `${socket.getProtocol()} ${socket.getCipher().standardName} ${socket.alpnProtocol || 'none'}`
    socket.destroy()
    return found
  } catch {
    return 'refused'
  }
}
const OLD: ConnectionOptions = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' }
const NEW: ConnectionOptions = { minVersion: 'TLSv1.3' }

describe.runIf(hasHaproxy)('visitors of the profile intermediate', { timeout: 30_000 }, () => {
  let balancer: Balancer
  beforeAll(async () => {
    balancer = await startBalancer({ options: {}, answer, newest: { 'web-02': 'TLSv1.2' } })
  })
  afterAll(() => balancer.stop())
  const at = (options: ConnectionOptions) => agreed(balancer.ports.direct, options)

  it('speak TLS 1.3, or 1.2 with ciphers that are modern and forward secret', async () => {
    expect(await at({ ALPNProtocols: ['h2', 'http/1.1'] })).toBe('TLSv1.3 TLS_AES_128_GCM_SHA256 h2')
    const suites = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256']
    for (const ciphers of suites) expect(await at({ ...NEW, ciphers })).toBe(`TLSv1.3 ${ciphers} none`)
    const strong = ['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-CHACHA20-POLY1305']
    for (const ciphers of strong) expect(await at({ ...OLD, ciphers })).toMatch(/^TLSv1\.2 TLS_ECDHE_ECDSA_/)
    for (const ciphers of ['ECDHE-ECDSA-AES128-SHA256', 'ECDHE-ECDSA-AES128-SHA', 'ECDHE-ECDSA-AES256-CCM'])
      expect(await at({ ...OLD, ciphers })).toBe('refused')
    expect(await at({ minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' })).toBe('refused')
  })

  it('agree on a common curve', async () => {
    for (const ecdhCurve of ['X25519', 'P-256', 'P-384']) expect(await at({ ...NEW, ecdhCurve })).not.toBe('refused')
    for (const ecdhCurve of ['P-521', 'X448']) expect(await at({ ...NEW, ecdhCurve })).toBe('refused')
  })

  it('get no ticket, whose key would decrypt their connections later', async () => {
    const socket = await visitor(balancer.ports.direct, OLD)
    expect(socket.getTLSTicket()).toBeUndefined()
    socket.destroy()
  })

  it('are sent to web servers that speak TLS 1.3 only', async () => {
    while ((await balancer.states()).get('web/web-02') !== 'DOWN') await sleep(100)
    expect((await balancer.states()).get('web/web-01')).toBe('UP')
    for (const method of ['GET', 'POST', 'GET', 'POST']) expect((await balancer.ask({ method })).body).toBe('web-01')
  })

  it('are logged once per request, with their address; monitoring and scans are not', async () => {
    const before = balancer.logs.length
    await balancer.askPlain(balancer.ports.status, { path: '/metrics' })
    const scan = await plainTo(balancer.ports.http)
    scan.end()
    await once(scan.resume(), 'close')
    await balancer.ask({ from: '192.0.2.7', path: '/page?get' })
    await balancer.ask({ from: '192.0.2.8', path: '/page?post', method: 'POST', body: 'x' })
    await balancer.askPlain(balancer.ports.http, { path: '/plain' })
    for (let i = 0; i < 100 && !balancer.logs.some((line) => line.includes('/plain')); i++) await sleep(20)
    // Requests of earlier tests may be logged late.
    const lines = balancer.logs.slice(before).filter((line) => !/192\.0\.2\.1:|handshake failure/.test(line))
    const parts = (line: string) => /: (\S+):\d+ \[.*\] (\S+) (\S+) .* (\d{3}) \d+ .*"(\S+ \S+)/.exec(line)?.slice(1).join(' ') ?? line
    expect(lines.map(parts).toSorted()).toEqual([
      '127.0.0.1 http http/<NOSRV> 301 GET /plain',
      '192.0.2.7 https~ web/web-01 200 GET /page?get',
      '192.0.2.8 once web.once/web-01 200 POST /page?post',
    ])
  })
})

describe.runIf(hasHaproxy)('visitors of the profile modern', { timeout: 30_000 }, () => {
  let balancer: Balancer
  beforeAll(async () => {
    balancer = await startBalancer({ options: { tls: 'modern', compression: true, rate_limit: false, retry_posts: true }, answer })
  })
  afterAll(() => balancer.stop())

  it('speak TLS 1.3 only', async () => {
    const at = (options: ConnectionOptions) => agreed(balancer.ports.direct, options)
    expect(await at(NEW)).toBe('TLSv1.3 TLS_AES_128_GCM_SHA256 none')
    expect(await at(OLD)).toBe('refused')
    for (const ecdhCurve of ['X25519', 'P-256', 'P-384']) expect(await at({ ...NEW, ecdhCurve })).not.toBe('refused')
    expect(await at({ ...NEW, ecdhCurve: 'P-521' })).toBe('refused')
  })

  it('get compressed text, but no compressed pictures', async () => {
    const encoding = async (path: string) =>
      (await balancer.ask({ path, headers: ['Accept-Encoding: gzip'] })).headers.get('content-encoding')
    expect([await encoding('/text'), await encoding('/picture')]).toEqual(['gzip', undefined])
  })

  it('keep an idle connection during a reload until their next response', async () => {
    const socket = await visitor(balancer.ports.direct, NEW)
    const request = async (): Promise<string> => {
      socket.write('GET / HTTP/1.1\r\nHost: www.site.test\r\n\r\n')
      const [data] = await once(socket, 'data')
      return String(data)
    }
    expect(await request()).toMatch(/^HTTP\/1\.1 200 /)
    balancer.retire()
    await sleep(300)
    expect(await request()).toMatch(/^HTTP\/1\.1 200 /)
    await once(socket, 'close')
  })
})
