import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { backScript, outScript } from '../../../../roles/haproxy-tls/drain.ts'
import { servesScript } from '../../../../roles/haproxy-tls/health.ts'
import { SOCKET } from '../../../../roles/haproxy-tls/share.ts'

const HAPROXY = '/usr/sbin/haproxy'
const CHECK = { section: 'web', request: { path: '/alive', host: 'www.test', status: 200 } }

/** A real HAProxy on loopback in front of two HTTPS servers, whose health the test decides. */
describe.runIf([HAPROXY, '/usr/bin/socat'].every((path) => existsSync(path)))('the scripts of a balancer', { timeout: 60_000 }, () => {
  let scratch = ''
  let haproxy: ChildProcess
  const servers = new Map<string, Server>()
  const health = new Map<string, number>()
  const asked: string[] = []

  /** The script as the balancer runs it, with the paths of this test. */
  const balancer = async (script: unknown): Promise<{ code: number; stderr: string }> => {
    const text = String(script).replaceAll(SOCKET, join(scratch, 'admin.sock')).replaceAll('/etc/ssl/haproxy/edge', scratch)
    const child = spawn('sh', ['-c', text], { stdio: ['ignore', 'ignore', 'pipe'] })
    let stderr = ''
    child.stderr.on('data', (bytes) => (stderr += String(bytes)))
    const [code] = (await once(child, 'close')) as [number]
    return { code, stderr }
  }
  const status = (name: string): string =>
    execFileSync('sh', ['-c', `echo 'show stat' | socat - UNIX-CONNECT:${scratch}/admin.sock`], { encoding: 'utf8' })
      .split('\n')
      .map((line) => line.split(','))
      .filter(([section, server]) => section === 'web' && server === name)
      .map((fields) => fields[17] ?? '')
      .join()
  const until = async (name: string, wanted: string): Promise<void> => {
    for (let i = 0; i < 100 && status(name) !== wanted; i++) await sleep(100)
    expect(status(name)).toBe(wanted)
  }

  const certificate = (name: string): { key: Buffer; cert: Buffer } => {
    const [key, cert] = ['key', 'pem'].map((end) => join(scratch, `${name}.${end}`)) as [string, string]
    const subject = `/CN=${name}.edge.provision.internal`
    const own = ['-subj', subject, '-addext', `subjectAltName=DNS:${name}.edge.provision.internal`]
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', cert, ...own],
      { stdio: 'ignore' },
    )
    return { key: readFileSync(key), cert: readFileSync(cert) }
  }

  const start = async (names: readonly string[], address = '127.0.0.1'): Promise<void> => {
    scratch = mkdtempSync(join(tmpdir(), 'provision-gate-'))
    const lines: string[] = []
    const trusted: Buffer[] = []
    for (const name of names) {
      const pair = certificate(name)
      trusted.push(pair.cert)
      const server = createServer(pair, ({ url, headers: { host } }, response) => {
        asked.push(`${name} ${url} ${host}`)
        response.writeHead(health.get(name) ?? 200).end('')
      })
      server.listen(0, address)
      await once(server, 'listening')
      servers.set(name, server)
      lines.push(
        `server ${name} ${address}:${(server.address() as AddressInfo).port} ssl verify none check inter 1s fastinter 300ms downinter 300ms fall 2 rise 2`,
      )
    }
    const client = certificate('client')
    writeFileSync(join(scratch, 'client.pem.key'), client.key)
    writeFileSync(join(scratch, 'authority.pem'), Buffer.concat(trusted))
    const once_ = names.map((name) => `server ${name} 127.0.0.1:1 track web/${name}`)
    const config = join(scratch, 'haproxy.cfg')
    writeFileSync(
      config,
      `global
  stats socket ${scratch}/admin.sock mode 600 level admin
defaults
  mode http
  timeout connect 1s
  timeout client 1s
  timeout server 1s
frontend visitors
  bind unix@${scratch}/visitors.sock
  default_backend web
backend web
  option httpchk
  http-check send meth GET uri ${CHECK.request.path} ver HTTP/1.1 hdr Host ${CHECK.request.host}
  http-check expect status ${CHECK.request.status}
  ${lines.join('\n  ')}
backend web.once
  ${once_.join('\n  ')}
`,
    )
    haproxy = spawn(HAPROXY, ['-f', config], { stdio: 'ignore' })
    for (let i = 0; i < 100 && !existsSync(join(scratch, 'admin.sock')); i++) await sleep(50)
    for (const name of names) await until(name, 'UP')
  }
  beforeEach(() => {
    health.clear()
    asked.length = 0
  })
  afterEach(async () => {
    haproxy?.kill('SIGKILL')
    for (const server of servers.values()) server.close().closeAllConnections()
    servers.clear()
    rmSync(scratch, { recursive: true, force: true })
  })
  const out = (name: string) => balancer(outScript(name, 1))
  const back = (name: string, seconds = 2) => balancer(backScript(name, seconds, [CHECK]))

  it('ignore the health of a drained server from before its change', async () => {
    await start(['web-01', 'web-02'])
    expect(await out('web-01')).toEqual({ code: 0, stderr: '' })
    expect(status('web-01')).toBe('DRAIN')
    health.set('web-01', 404)
    const { code, stderr } = await back('web-01')
    expect(code).toBe(1)
    expect(stderr).toMatch(/^web-01 is not healthy: web-01 in web is DOWN \(L7STS( 404 Not Found)?\)\n$/)
    health.set('web-01', 200)
    expect(await back('web-01', 5)).toEqual({ code: 0, stderr: '' })
    expect(status('web-01')).toBe('UP')
  })

  it('ask the only healthy server themselves, and never take it out', async () => {
    await start(['web-01'])
    expect(await out('web-01')).toEqual({ code: 0, stderr: '' })
    expect(status('web-01')).toBe('UP')
    health.set('web-01', 404)
    // On a busy machine, HAProxy may notice first.
    const refused = await back('web-01', 0)
    expect(refused.code).toBe(1)
    expect(refused.stderr).toMatch(
      /^web-01 is not healthy: web-01 in web (answers GET \/alive for www\.test with HTTP\/1\.1|is DOWN|is UP 1\/2).* 404 Not Found/,
    )
    expect(asked).toContain('web-01 /alive www.test')
    health.set('web-01', 200)
    expect(await back('web-01')).toEqual({ code: 0, stderr: '' })
  })

  it('ask a server by its name and authority, over IPv6 too', async () => {
    await start(['web-01'], '::1')
    expect(await back('web-01')).toEqual({ code: 0, stderr: '' })
    expect(asked).toContain('web-01 /alive www.test')
    const refused = { code: 1, stderr: 'web-01 is not healthy: web-01 in web answers GET /alive for www.test with nothing\n' }
    const script = backScript('web-01', 0, [CHECK])
    expect(await balancer(String(script).replaceAll('edge.provision.internal', 'other.internal'))).toEqual(refused)
    writeFileSync(join(scratch, 'authority.pem'), readFileSync(join(scratch, 'client.pem')))
    expect(await balancer(script)).toEqual(refused)
  })

  it('put a server back that the balancer does not know, or no balancer runs', async () => {
    await start(['web-01'])
    expect(await back('web-07', 0)).toEqual({ code: 0, stderr: '' })
    haproxy.kill('SIGKILL')
    await once(haproxy, 'exit')
    // Its socket is still there: silence is no health.
    expect(await back('web-01', 0)).toEqual({ code: 1, stderr: 'web-01 is not healthy: HAProxy does not answer at its socket\n' })
    rmSync(join(scratch, 'admin.sock'))
    expect(await back('web-01', 0)).toEqual({ code: 0, stderr: '' })
  })

  it('find a site served while one server is healthy, and name the servers that are not', async () => {
    await start(['web-01', 'web-02'])
    const serves = (seconds = 0) => balancer(servesScript(seconds, [CHECK, { ...CHECK, section: 'not-yet' }]))
    health.set('web-01', 404)
    await until('web-01', 'DOWN')
    expect(await serves()).toEqual({ code: 0, stderr: '' })
    // HAProxy has not noticed yet, unless the machine is busy.
    health.set('web-02', 503)
    const refused = await serves()
    expect(refused.code).toBe(1)
    expect(refused.stderr).toMatch(/web-02 in web (answers GET \/alive for www\.test with HTTP\/1\.1 503 Service Unavailable|is )/)
    await until('web-02', 'DOWN')
    expect((await serves()).stderr).toMatch(
      /^HAProxy finds no healthy server: web-01 in web is DOWN \(L7STS( 404 Not Found)?\), web-02 in web is DOWN \(L7STS( 503 Service Unavailable)?\)\n$/,
    )
    health.clear()
    expect(await serves(5)).toEqual({ code: 0, stderr: '' })
  })
})
