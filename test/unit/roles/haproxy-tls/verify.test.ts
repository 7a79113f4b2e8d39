import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import haproxy from '../../../../roles/haproxy-tls/role.ts'
import { type Answering, type Balancer, contextOf, hasHaproxy, startBalancer } from './balancer.ts'

const hasTools = hasHaproxy && spawnSync('socat', ['-V']).status === 0

const OK = { code: 0, output: '' }

const isIll = new Set<string>()
const answer: Answering = (request, response, server) => {
  response.writeHead(request.url === '/healthz' && isIll.has(server) ? 503 : 200).end(server)
}

describe.runIf(hasTools)('the checks of verify', { timeout: 60_000 }, () => {
  let balancer: Balancer
  beforeAll(async () => {
    balancer = await startBalancer({ options: {}, answer })
  })
  afterAll(() => balancer.stop())
  afterEach(() => isIll.clear())
  const run = async (options: object = {}): Promise<Readonly<Record<string, { code: number; output: string }>>> => {
    const checks = haproxy.verify?.(contextOf(options)) ?? []
    const results: [string, { code: number; output: string }][] = []
    for (const { name, script } of checks) results.push([name, await balancer.run(String(script))])
    return Object.fromEntries(results)
  }
  const failedIn = async (options: object = {}): Promise<readonly string[]> =>
    Object.entries(await run(options)).flatMap(([name, { code, output }]) => (code === 0 ? [] : [`${name}: ${output.trim()}`]))

  it('pass on a healthy site', async () => {
    expect(Object.keys(await run())).toEqual([
      'www.site.test is served over HTTPS',
      'HTTP is redirected to HTTPS',
      'TLS versions match the profile intermediate',
      'certificates are renewed in time',
      'every web server is healthy',
    ])
    expect(Object.values(await run())).toEqual(Array.from({ length: 5 }, () => OK))
  })

  it('fail for a name that no certificate has, for another HSTS, and for another profile', async () => {
    expect(await failedIn({ certificates: [{ names: ['other.test'] }] })).toEqual([
      expect.stringMatching(/^other\.test is served over HTTPS: .*does NOT match/s),
      expect.stringMatching(/^certificates are renewed in time: /),
    ])
    expect(await failedIn({ hsts_seconds: 5 })).toEqual([
      'www.site.test is served over HTTPS: the response has no header Strict-Transport-Security: max-age=5',
    ])
    expect(await failedIn({ hsts_seconds: 5, headers: { 'strict-transport-security': 'max-age=9' } })).toEqual([])
    expect(await failedIn({ tls: 'modern' })).toEqual(['TLS versions match the profile modern: HAProxy accepts -tls1_2'])
  })

  it('fail for an unhealthy server', async () => {
    isIll.add('web-02')
    while ((await balancer.states()).get('web/web-02') !== 'DOWN') await sleep(100)
    expect(await failedIn()).toEqual([expect.stringMatching(/^every web server is healthy: web-02 in web: DOWN/)])
  })

  it('fail for a certificate in the last sixth of its life', async () => {
    const path = join(balancer.files, 'ssl/www.site.test.pem')
    const [before, key] = [readFileSync(path), `${path}.key`]
    copyFileSync(path, `${path}.before`)
    // A certificate that began long ago cannot be made with the command, so a life of a day is compared with its last seconds.
    const script = String(haproxy.verify?.(contextOf({})).find(({ name }) => name === 'certificates are renewed in time')?.script)
    const later = (minutes: number) => script.replaceAll('date +%s', `date -d '+${minutes} minutes' +%s`)
    execFileSync('openssl', ['x509', '-in', `${path}.before`, '-signkey', key, '-days', '1', '-out', path], { stdio: 'ignore' })
    expect(await balancer.run(later(20 * 60 - 5))).toEqual(OK)
    expect(await balancer.run(later(20 * 60 + 5))).toMatchObject({
      code: 1,
      output: expect.stringMatching(/www\.site\.test\.pem expires at \d{4}-\d\d-\d\d \d\d:\d\d UTC: run provision run/),
    })
    writeFileSync(path, before)
  })
})
