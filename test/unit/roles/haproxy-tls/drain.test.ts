import { spawnSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import haproxy from '../../../../roles/haproxy-tls/role.ts'
import { host } from '../context.ts'
import { type Answering, type Balancer, contextOf, hasHaproxy, SERVERS, startBalancer } from './balancer.ts'

const hasTools = hasHaproxy && spawnSync('socat', ['-V']).status === 0

const OK = { code: 0, output: '' }

const isIll = new Set<string>()
const answer: Answering = async (request, response, server) => {
  const [path, milliseconds = '0'] = (request.url ?? '').split('?')
  if (path === '/slow') await sleep(Number(milliseconds))
  response.writeHead(path === '/healthz' && isIll.has(server) ? 503 : 200).end(server)
}

describe.runIf(hasTools)('a web server', { timeout: 60_000 }, () => {
  const settings = { drain_seconds: 2, healthy_seconds: 6, slow_start_seconds: 0 }
  let balancer: Balancer
  beforeAll(async () => {
    balancer = await startBalancer({ options: settings, answer })
  })
  afterAll(() => balancer.stop())
  afterEach(async () => {
    isIll.clear()
    for (const name of SERVERS) expect(await back(name)).toEqual(OK)
  })
  const scripts = (name: string, options: object = settings) => {
    const found = haproxy.drains?.(contextOf(options), host(name, '127.0.0.1'))
    if (found === undefined) throw new Error('no scripts')
    return { out: String(found.out), back: String(found.back) }
  }
  const out = (name: string) => balancer.run(scripts(name).out)
  const back = (name: string) => balancer.run(scripts(name).back)
  const servers = async (): Promise<readonly string[]> => {
    const asked = ['GET', 'POST', 'GET', 'POST'].map((method) => balancer.ask({ method }))
    return [...new Set((await Promise.all(asked)).map(({ body }) => body))].sort()
  }

  it('gets no new requests while it is drained, and gets them again afterwards', async () => {
    expect(await servers()).toEqual(['web-01', 'web-02'])
    expect(await out('web-01')).toEqual(OK)
    expect(await servers()).toEqual(['web-02'])
    expect(await out('web-01')).toEqual(OK)
    expect(await back('web-01')).toEqual(OK)
    expect((await balancer.states()).get('web/web-01')).toBe('UP')
    expect(await servers()).toEqual(['web-01', 'web-02'])
  })

  it('finishes its requests first, within a limit', async () => {
    const durationOf = async (milliseconds: number): Promise<number> => {
      const asked = [1, 2, 3, 4].map((i) => balancer.ask({ path: `/slow?${milliseconds}`, method: i % 2 === 0 ? 'GET' : 'POST' }))
      await sleep(100)
      const started = performance.now()
      expect(await out('web-01')).toEqual(OK)
      const duration = performance.now() - started
      expect((await Promise.all(asked)).map(({ status }) => status)).toEqual([200, 200, 200, 200])
      await back('web-01')
      return duration
    }
    expect(await durationOf(1000)).toBeGreaterThan(700)
    expect(await durationOf(5000)).toBeLessThan(4500)
  })

  it('that is the last healthy one is not drained', async () => {
    expect(await out('web-01')).toEqual(OK)
    expect(await out('web-02')).toEqual(OK)
    expect(await servers()).toEqual(['web-02'])
  })

  it('that was not drained stays in while its health is asked', async () => {
    let isOver = false
    const returned = back('web-01').finally(() => {
      isOver = true
    })
    const seen = new Set<string | undefined>()
    while (!isOver) seen.add((await balancer.states()).get('web/web-01'))
    expect(await returned).toEqual(OK)
    seen.add((await balancer.states()).get('web/web-01'))
    expect([...seen]).toEqual(['UP'])
  })

  it('that is unhealthy after its change is reported', async () => {
    expect(await out('web-01')).toEqual(OK)
    isIll.add('web-01')
    const returned = balancer.run(scripts('web-01', { ...settings, healthy_seconds: 2 }).back)
    const visits: string[] = []
    let isOver = false
    void returned.finally(() => {
      isOver = true
    })
    while (!isOver) {
      visits.push((await balancer.ask()).body)
      await sleep(100)
    }
    const { code, output } = await returned
    expect(code).toBe(1)
    // The balancer does not believe its health from before the change.
    expect([...new Set(visits)]).toEqual(['web-02'])
    expect(output).toMatch(/^web-01 is not healthy: /)
  })

  it('that the balancer does not have, or without a balancer, is no error', async () => {
    for (const script of Object.values(scripts('web-01'))) expect(await balancer.run(script.replaceAll('web-01', 'web-07'))).toEqual(OK)
    for (const script of Object.values(scripts('web-01')))
      expect(spawnSync('sh', ['-c', script], { encoding: 'utf8' })).toMatchObject({ status: 0, stdout: '', stderr: '' })
  })
})
