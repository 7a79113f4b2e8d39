import { once } from 'node:events'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import haproxy from '../../../../roles/haproxy-tls/role.ts'
import { host } from '../context.ts'
import { type Balancer, contextOf, hasHaproxy, startBalancer } from './balancer.ts'

const answer: Parameters<typeof startBalancer>[0]['answer'] = (request, response) => {
  const body = String(request.headers['x-forwarded-for'])
  response.writeHead(200, { 'Content-Length': body.length }).end(body)
}

const PROXY = '192.0.2.1'
const VISITOR = '203.0.113.5'

describe.runIf(hasHaproxy)('a trusted proxy', () => {
  let balancer: Balancer
  beforeAll(async () => {
    const options = {
      trusted_proxies: ['192.0.2.0/24', '2001:db8:1::/48', ...Array.from({ length: 70 }, (_, i) => `100.64.${i}.0/24`)],
      rate_limit: { requests: 4, seconds: 60 },
      allow: ['203.0.113.0/24', '2001:db8:2::/48', '192.0.2.0/24'],
    }
    balancer = await startBalancer({ options, answer })
  })
  afterAll(() => balancer?.stop())
  beforeEach(() => void balancer.received.splice(0))
  const visitor = async (from: string, ...values: readonly string[]) =>
    (await balancer.ask({ from, headers: values.map((one) => `X-Forwarded-For: ${one}`) })).body

  it.each<[readonly string[], string]>([
    [[VISITOR], VISITOR],
    [[`198.51.100.1, ${VISITOR}`], VISITOR],
    [['198.51.100.1', VISITOR], VISITOR],
    [[`198.51.100.1, ${VISITOR}, 192.0.2.9, 100.64.69.1`], VISITOR],
    [['2001:db8:2::5'], '2001:db8:2::5'],
    // A value that no proxy writes ends the chain.
    [[], PROXY],
    [['unknown'], PROXY],
    [[`${VISITOR}, unknown`], PROXY],
    [[`${VISITOR}, unknown, 192.0.2.8`], '192.0.2.8'],
  ])('reports the visitor in %o', async (values, expected) => {
    expect(await visitor(PROXY, ...values)).toBe(expected)
  })

  it('is the only source whose header counts', async () => {
    expect(await visitor('203.0.113.99', '203.0.113.98')).toBe('203.0.113.99')
    expect(await visitor('2001:db8:2::9', VISITOR)).toBe('2001:db8:2::9')
  })

  it('does not lend its address to allow lists, logs and limits', async () => {
    const ask = (of: string) => balancer.ask({ from: PROXY, headers: [`X-Forwarded-For: ${of}`] })
    expect((await ask('198.51.100.1')).status).toBe(403)
    for (let i = 0; i < 4; i++) expect((await ask('203.0.113.50')).status).toBe(200)
    expect((await ask('203.0.113.50')).status).toBe(429)
    expect((await ask('203.0.113.51')).status).toBe(200)
    expect(balancer.logs.some((line) => line.includes(' 203.0.113.50:'))).toBe(true)
  })

  it('keeps the address of each request apart on one connection', async () => {
    const socket = connect(balancer.ports.https, '127.0.0.1')
    await once(socket, 'connect')
    socket.write(`PROXY TCP4 192.0.2.33 192.0.2.99 40000 443\r\n`)
    const secure = connectTls({ socket, servername: 'www.site.test', rejectUnauthorized: false })
    await once(secure, 'secureConnect')
    for (const [header, expected] of [
      ['X-Forwarded-For: 203.0.113.40\r\n', '203.0.113.40'],
      ['', '192.0.2.33'],
      ['X-Forwarded-For: 203.0.113.6\r\n', '203.0.113.6'],
    ] as const) {
      secure.write(`GET / HTTP/1.1\r\nHost: www.site.test\r\n${header}\r\n`)
      const [data] = await once(secure, 'data')
      expect(String(data).endsWith(`\r\n\r\n${expected}`)).toBe(true)
    }
    secure.destroy()
  })
})

describe.runIf(hasHaproxy)('another header of a proxy', () => {
  it('replaces X-Forwarded-For', async () => {
    const options = { trusted_proxies: { networks: ['192.0.2.0/24'], header: 'CF-Connecting-IP' } }
    const balancer = await startBalancer({ options, answer })
    try {
      const headers = [`CF-Connecting-IP: ${VISITOR}`, 'X-Forwarded-For: 198.51.100.1']
      for (const method of ['GET', 'POST']) {
        expect((await balancer.ask({ from: PROXY, headers, method })).body).toBe(VISITOR)
        expect((await balancer.ask({ from: '198.51.100.9', headers, method })).body).toBe('198.51.100.9')
      }
    } finally {
      await balancer.stop()
    }
  })
})

describe.runIf(hasHaproxy)('a proxy that speaks the PROXY protocol', () => {
  it('begins its connections with a header, which others may not send', async () => {
    const options = { trusted_proxies: { networks: ['127.0.0.9'], proxy_protocol: true } }
    const balancer = await startBalancer({ options, answer })
    const ask = async (localAddress: string, header: string): Promise<string> => {
      const socket = connect({ port: balancer.ports.direct, host: '127.0.0.1', localAddress })
      await once(socket, 'connect')
      socket.write(header)
      const secure = connectTls({ socket, servername: 'www.site.test', rejectUnauthorized: false })
      try {
        await once(secure, 'secureConnect')
        secure.write('GET / HTTP/1.1\r\nHost: www.site.test\r\nConnection: close\r\n\r\n')
        let all = ''
        for await (const chunk of secure) all += String(chunk)
        return all.split('\r\n\r\n')[1] ?? ''
      } catch {
        return 'refused'
      }
    }
    try {
      const header = `PROXY TCP4 ${VISITOR} 192.0.2.99 40000 443\r\n`
      expect(await ask('127.0.0.9', header)).toBe(VISITOR)
      expect(await ask('127.0.0.9', '')).toBe('refused')
      expect(await ask('127.0.0.8', '')).toBe('127.0.0.8')
      expect(await ask('127.0.0.8', header)).toBe('refused')
      const plain = connect({ port: balancer.ports.http, host: '127.0.0.1', localAddress: '127.0.0.9' })
      plain.write(`${header}GET / HTTP/1.0\r\nHost: www.site.test\r\n\r\n`)
      const [data] = await once(plain, 'data')
      expect(String(data)).toMatch(/^HTTP\/1\.. 301 /)
      plain.destroy()
    } finally {
      await balancer.stop()
    }
  })
})

describe('networks of proxies', () => {
  const faults = (trusted_proxies: unknown): readonly string[] => {
    const context = contextOf({ trusted_proxies })
    const withRole = (name: string) => (name === 'monitoring' ? [host('mon-01', '10.0.0.7')] : context.site.withRole())
    return haproxy.check?.({ ...context, site: { ...context.site, withRole } }).map(({ path, what }) => `${path.join('.')}: ${what}`) ?? []
  }

  it.each<[unknown, readonly string[]]>([
    [['192.0.2.0/24', '::1'], []],
    [['0.0.0.0/0'], ['trusted_proxies: 0.0.0.0/0 contains every visitor, who could report any address']],
    [['::/0'], ['trusted_proxies: ::/0 contains every visitor, who could report any address']],
    [
      { networks: ['127.0.0.0/16'], proxy_protocol: true },
      ['trusted_proxies: 127.0.0.0/16 contains loopback, from which health checks come without a PROXY header'],
    ],
    [{ networks: ['10.0.0.0/8'], proxy_protocol: true }, ['trusted_proxies: mon-01 is in 10.0.0.0/8, and its probes have no PROXY header']],
    [{ networks: ['10.0.0.0/8'] }, []],
  ])('%o', (options, expected) => {
    expect(faults(options)).toEqual(expected)
  })

  it.each([[], ['home'], { networks: [] }, { networks: ['10.0.0.1'], header: 'X Forwarded' }])('are refused as %o', (trusted_proxies) => {
    expect(haproxy.options.safeParse({ certificates: [{ names: ['a.test'] }], trusted_proxies }).success).toBe(false)
  })
})
