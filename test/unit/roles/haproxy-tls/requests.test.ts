import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Balancer, hasHaproxy, startBalancer } from './balancer.ts'

const TIMEOUTS = { connect: 1, server: 1, queue: 1, client: 2 }
const ROUND = ['GET', 'POST'] as const

/** Web servers with pages that are slow, break the connection, or show the request. */
const answer: Parameters<typeof startBalancer>[0]['answer'] = async (request, response, server) => {
  const [path, number = '0'] = (request.url ?? '').split('?')
  if (path === '/slow') await sleep(Number(number))
  if (path === '/cut' || (path === '/cut-at' && server === number)) return request.socket.destroy()
  response.writeHead(200, { Server: 'unknown', 'X-Frame-Options': 'ALLOWALL' }).end(`${server} ${JSON.stringify(request.headers)}`)
}

describe.runIf(hasHaproxy)('a request', () => {
  let balancer: Balancer
  beforeAll(async () => {
    balancer = await startBalancer({ options: { timeouts: TIMEOUTS }, answer })
  })
  afterAll(() => balancer.stop())
  beforeEach(() => void balancer.received.splice(0))

  it('that is too slow reaches one server, once, and gets status 504', async () => {
    const methods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH']
    const started = performance.now()
    const answers = await Promise.all(methods.map((method) => balancer.ask({ method, path: '/slow?5000', body: 'x=1' })))
    expect(performance.now() - started).toBeLessThan(2500)
    expect(answers.map(({ status }) => status)).toEqual(methods.map(() => 504))
    await sleep(300)
    expect(balancer.received.map(({ method }) => method).sort()).toEqual(methods.toSorted())
  })

  it.each(ROUND)('%s that takes its time is answered', async (method) => {
    expect((await balancer.ask({ method, path: '/slow?700' })).status).toBe(200)
    expect(balancer.received).toHaveLength(1)
  })

  it('GET is repeated at another server if the connection breaks before a response', async () => {
    for (const server of ['web-01', 'web-02']) {
      const { status, body } = await balancer.ask({ path: `/cut-at?${server}` })
      expect(`${status} ${body}`).toMatch(server === 'web-01' ? /^200 web-02/ : /^200 web-01/)
    }
  })

  it('POST is never repeated, and gets status 502 if the connection breaks', async () => {
    for (let i = 1; i <= 3; i++) {
      expect((await balancer.ask({ method: 'POST', path: '/cut', body: 'x=1' })).status).toBe(502)
      expect(balancer.received).toHaveLength(i)
    }
  })

  it.each(ROUND)('%s shows the server the visitor’s address, and nothing that the visitor claims', async (method) => {
    const claims = ['X-Forwarded-For', 'X-Real-IP', 'Forwarded', 'X-Forwarded-Host', 'X-Forwarded-Port', 'X-Forwarded-Proto']
    const headers = claims.map((name) => `${name}: 203.0.113.66`)
    await balancer.ask({ method, from: '192.0.2.7', headers: [...headers, 'X-Forwarded-For: 203.0.113.67'] })
    const [got] = balancer.received
    expect(got?.headers['x-forwarded-for']).toBe('192.0.2.7')
    expect(got?.headers['x-forwarded-proto']).toBe('https')
    expect(JSON.stringify(got?.headers)).not.toContain('203.0.113')
  })

  it('is sent to the servers in turn', async () => {
    const servers = new Set<string>()
    for (let i = 0; i < 4; i++) servers.add((await balancer.ask()).body.slice(0, 6))
    expect([...servers].sort()).toEqual(['web-01', 'web-02'])
  })

  it('without TLS is redirected, and challenges are answered', async () => {
    const { http } = balancer.ports
    const redirected = await balancer.askPlain(http, { path: '/a?b' })
    expect(redirected.status).toBe(301)
    expect(redirected.headers.get('location')).toBe('https://www.site.test/a?b')
    const challenge = (token: string) => balancer.askPlain(http, { path: `/.well-known/acme-challenge/${token}` })
    expect(await challenge('a-Token_1')).toMatchObject({ status: 200, body: 'a-Token_1.thumbprint-of-the-account' })
    for (const wrong of ['a.b', 'a/b', '', '%0a']) expect((await challenge(wrong)).status).toBe(404)
    expect(balancer.received).toEqual([])
  })

  it('of monitoring gets metrics and states on loopback', async () => {
    expect((await balancer.askPlain(balancer.ports.status, { path: '/metrics' })).body).toContain('haproxy_server_status{proxy="web"')
    const states = await balancer.states()
    expect(['web/web-01', 'web/web-02', 'web.once/web-01'].map((name) => states.get(name))).toEqual(['UP', 'UP', 'UP'])
  })
})

describe.runIf(hasHaproxy)('requests that may be executed twice', () => {
  it('are repeated at another server, but not if they are slow', async () => {
    const balancer = await startBalancer({ options: { timeouts: TIMEOUTS, retry_posts: true }, answer })
    try {
      for (const server of ['web-01', 'web-02'])
        expect((await balancer.ask({ method: 'POST', path: `/cut-at?${server}`, body: 'x=1' })).status).toBe(200)
      balancer.received.splice(0)
      expect((await balancer.ask({ method: 'POST', path: '/slow?5000', body: 'x=1' })).status).toBe(504)
      expect(balancer.received).toHaveLength(1)
    } finally {
      await balancer.stop()
    }
  })
})
