import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Answering, type Balancer, hasHaproxy, startBalancer } from './balancer.ts'

const answer: Answering = (request, response, server) => {
  response.writeHead(request.url === '/missing' ? 404 : 200, { Server: 'unknown', 'X-Frame-Options': 'ALLOWALL' }).end(server)
}

/** Runs a test with a balancer of its own. */
const withBalancer = async (setup: Parameters<typeof startBalancer>[0], test: (balancer: Balancer) => Promise<void>): Promise<void> => {
  const balancer = await startBalancer(setup)
  try {
    await test(balancer)
  } finally {
    await balancer.stop()
  }
}

describe.runIf(hasHaproxy)('a balancer of several sites', () => {
  let balancer: Balancer
  beforeAll(async () => {
    balancer = await startBalancer({
      options: {
        certificates: [{ names: ['www.site.test', '*.site.test', '*.deep.site.test'] }],
        acme: { dns_hook: ['./dns.sh'] },
        // A wildcard precedes the exact names that it covers.
        sites: [
          { names: ['*.site.test'], backend: 'web-01' },
          { names: ['shop.site.test', 'www.site.test'], backend: 'web-02' },
          { names: ['*.deep.site.test'], backend: 'web-02' },
        ],
        rate_limit: { requests: 10, seconds: 10, except: ['198.51.100.0/24', '2001:db8:ffff::/48'] },
        extra: { https: ['http-request redirect location https://www.site.test/ code 302 if { path /elsewhere }'] },
        headers: { 'X-Test': '100% $HOME\\', 'Referrer-Policy': false },
        hsts_seconds: 86_400,
      },
      answer,
    })
  })
  afterAll(() => balancer.stop())
  beforeEach(() => void balancer.received.splice(0))

  it.each(['GET', 'POST'])('chooses the exact name, then a wildcard of one label: %s', async (method) => {
    const hosts = ['shop.site.test', 'SHOP.site.test:443', 'any.site.test', 'a.deep.site.test', 'deep.site.test']
    const answers = await Promise.all(hosts.map((host) => balancer.ask({ method, host, from: '198.51.100.1' })))
    expect(answers.map(({ body }) => body)).toEqual(['web-02', 'web-02', 'web-01', 'web-02', 'web-01'])
    const others = ['a.b.site.test', 'site.test', 'a.b.deep.site.test', 'xshop.site.test.evil.test', 'shopXsite.test', 'evil-site.test']
    for (const host of others) expect((await balancer.ask({ method, host, from: '198.51.100.1' })).status).toBe(421)
  })

  it('sets the same headers on pages, errors, redirects and refusals', async () => {
    const from = '198.51.100.2'
    const page = await balancer.ask({ from })
    expect(page.status).toBe(200)
    const limited = async () => {
      for (let i = 0; i < 11; i++) await balancer.ask({ from: '192.0.2.50' })
      return balancer.ask({ from: '192.0.2.50' })
    }
    const rest = [
      await balancer.ask({ from, path: '/missing' }),
      await balancer.ask({ from, path: '/missing', method: 'POST' }),
      await balancer.ask({ from, path: '/elsewhere' }),
      await balancer.ask({ from, host: 'other.test' }),
      await limited(),
    ]
    expect(rest.map(({ status }) => status)).toEqual([404, 404, 302, 421, 429])
    for (const { status, headers } of [page, ...rest])
      expect({ status, headers: Object.fromEntries(headers) }).toMatchObject({
        headers: {
          'strict-transport-security': 'max-age=86400',
          'x-content-type-options': 'nosniff',
          'x-frame-options': 'SAMEORIGIN',
          'x-test': '100% $HOME\\',
        },
      })
    for (const { headers } of [page, ...rest]) expect([headers.has('server'), headers.has('referrer-policy')]).toEqual([false, false])
  })

  it('limits each IPv4 address, and each /64 of IPv6, but not those that are excepted', async () => {
    const statusOf = async (address: (i: number) => string): Promise<readonly number[]> => {
      const each = Array.from({ length: 14 }, (_, i) => balancer.ask({ from: address(i + 1), method: i % 2 === 0 ? 'GET' : 'POST' }))
      return (await Promise.all(each)).map(({ status }) => status).sort()
    }
    const [all, limited] = [Array(14).fill(200), [...Array(10).fill(200), ...Array(4).fill(429)]]
    expect(await statusOf(() => '192.0.2.60')).toEqual(limited)
    expect(await statusOf((i) => `192.0.2.${100 + i}`)).toEqual(all)
    expect(await statusOf((i) => `2001:db8:0:7:${i}::1`)).toEqual(limited)
    expect(await statusOf((i) => `2001:db8:0:${100 + i}::1`)).toEqual(all)
    expect(await statusOf((i) => (i % 2 === 0 ? '198.51.100.3' : '2001:db8:ffff::1'))).toEqual(all)
  })
})

describe.runIf(hasHaproxy)('a balancer', () => {
  it('sends nothing to a server whose certificate has another name', () =>
    withBalancer({ options: {}, answer, names: ['web-01', 'web-09'] }, async (balancer) => {
      for (const method of ['GET', 'POST', 'GET', 'POST']) {
        const { status, body } = await balancer.ask({ method })
        expect(status === 503 || body === 'web-01', `${status} ${body}`).toBe(true)
      }
      expect(balancer.received.map(({ server }) => server)).not.toContain('web-02')
    }))

  it('takes an unhealthy server out, by path, name and status of the check, and asks visitors to return later if none is left', () => {
    const checks: string[] = []
    const isIll = new Set<string>()
    const ill: Answering = (request, response, server) => {
      if (request.url === '/alive') checks.push(request.headers.host ?? '')
      response.writeHead(request.url !== '/alive' ? 200 : isIll.has(server) ? 200 : 204).end(server)
    }
    const options = { health_path: '/alive', health_host: 'health.site.test', health_status: 204 }
    return withBalancer({ options, answer: ill }, async (balancer) => {
      const down = async (server: string) => {
        isIll.add(server)
        while ((await balancer.states()).get(`web/${server}`) !== 'DOWN') await sleep(100)
      }
      await down('web-02')
      for (const method of ['GET', 'POST', 'GET', 'POST']) {
        const { headers, body } = await balancer.ask({ method })
        expect([body, headers.get('set-cookie')]).toEqual(['web-01', undefined])
      }
      expect([...new Set(checks)]).toEqual(['health.site.test'])
      await down('web-01')
      for (const method of ['GET', 'POST']) {
        const { status, headers, body } = await balancer.ask({ method })
        expect(status).toBe(503)
        expect(headers.get('retry-after')).toBe('30')
        expect(headers.get('content-type')).toBe('text/html; charset=utf-8')
        expect(headers.get('strict-transport-security')).toBe('max-age=63072000')
        expect(body).toContain('Back soon')
      }
    })
  }, 20_000)

  it('keeps a visitor on one server with a cookie', () =>
    withBalancer({ options: { sticky: true }, answer }, async (balancer) => {
      const { headers, body } = await balancer.ask()
      const cookie = headers.get('set-cookie') ?? ''
      expect(cookie).toBe(`provision_server=${body}; path=/; HttpOnly; Secure; SameSite=Lax`)
      for (const method of ['GET', 'POST', 'GET'])
        expect((await balancer.ask({ method, headers: [`Cookie: ${cookie.split(';')[0]}`] })).body).toBe(body)
      expect(balancer.received.some((one) => one.headers.cookie !== undefined)).toBe(false)
    }))
})
