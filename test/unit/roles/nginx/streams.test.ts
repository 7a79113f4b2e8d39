import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import nginx from '../../../../roles/nginx/role.ts'
import { bytesOf, type Content } from '../../../../src/resource/kind/content.ts'
import { keyOf } from '../../../../src/resource/kind/kind.ts'
import type { Facts } from '../../../../src/role/role.ts'
import { host, unknownIdentities } from '../context.ts'
import { certificates, freePort, plainTo } from '../haproxy-tls/edge.ts'
import { movedTo } from './server.ts'

const hasNginx = spawnSync('nginx', ['-v']).status === 0
const files = mkdtempSync(join(tmpdir(), 'provision-nginx-'))
const WEB = host('web-01', '127.0.0.1')

/** The configuration of the role, with other paths. */
const writeConfiguration = (port: number, status: number, application: number): void => {
  const sites = [
    { name: 'limited', hosts: ['limited.test'], proxy: `http://127.0.0.1:${application}`, timeout_seconds: 1 },
    { name: 'free', hosts: ['free.test'], proxy: `http://127.0.0.1:${application}` },
    { name: 'wild', hosts: ['*.wild.test'], proxy: `http://127.0.0.1:${application}` },
  ]
  const resources = nginx.resources({
    ...unknownIdentities,
    host: WEB,
    options: nginx.options.parse({ sites, port, status_port: status, ipv6: false }),
    site: { hosts: [WEB], group: () => [WEB], withRole: () => [WEB] },
    facts: { distribution: 'debian', release: '12' } as Facts,
    flows: [],
    exposed: [],
  })
  const moved = movedTo(files, files)
  for (const resource of resources.filter((one) => keyOf(one).startsWith('file:') && keyOf(one).endsWith('.conf'))) {
    const { path, content } = resource.spec as { path: string; content: Content }
    writeFileSync(moved(path), moved(Buffer.from(bytesOf(content)).toString()))
  }
}

/** A connection to nginx as a balancer makes it, with a request sent. */
const asked = async (port: number, lines: readonly string[]): Promise<Socket> => {
  const [key, cert, ca] = ['edge.pem.key', 'edge.pem', 'ca.pem'].map((name) => readFileSync(join(files, name)))
  const socket = connect({ port, host: '127.0.0.1', key, cert, ca, servername: 'web-01.edge.provision.internal' })
  await once(socket, 'secureConnect')
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  return socket
}

const statusOf = async (port: number, name: string, path: string): Promise<number> => {
  const socket = await asked(port, [`GET ${path} HTTP/1.1`, `Host: ${name}`])
  const [chunk] = await once(socket, 'data')
  socket.destroy()
  return Number(String(chunk).split(' ')[1])
}

describe.runIf(hasNginx)('nginx in front of an application', () => {
  const application = createServer((request, response) => {
    if (request.url === '/slow') return void setTimeout(() => response.end('late'), 1800)
    response.writeHead(200, { 'Content-Type': request.url === '/events' ? 'text/event-stream' : 'text/plain' })
    if (request.url !== '/events') return void response.end('page')
    response.write('data: first\n\n')
    setTimeout(() => response.end('data: second\n\n'), 1500)
  }).on('upgrade', (_, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
    socket.pipe(socket)
  })
  let port = 0
  let child: ReturnType<typeof spawn> | undefined

  beforeAll(async () => {
    certificates(files, { edge: 'web-01.edge.provision.internal' })
    writeFileSync(join(files, 'edge.pem.key'), readFileSync(join(files, 'edge.key')))
    mkdirSync(join(files, 'run'))
    application.listen(0, '127.0.0.1')
    await once(application, 'listening')
    port = await freePort()
    writeConfiguration(port, await freePort(), (application.address() as AddressInfo).port)
    child = spawn('nginx', ['-c', join(files, 'nginx.conf'), '-g', 'daemon off;'], { stdio: 'ignore' })
    for (let i = 0; ; i++) {
      const socket = await plainTo(port).catch(() => undefined)
      socket?.destroy()
      if (socket !== undefined) break
      if (i === 100) throw new Error(readFileSync(join(files, 'error.log'), 'utf8'))
      await sleep(50)
    }
  })
  afterAll(async () => {
    child?.kill('SIGTERM')
    if (child !== undefined) await once(child, 'exit')
    application.closeAllConnections()
    application.close()
    rmSync(files, { recursive: true })
  })

  it('passes on each event of a stream as it comes', async () => {
    const started = performance.now()
    const socket = await asked(port, ['GET /events HTTP/1.1', 'Host: limited.test'])
    let text = ''
    while (!text.includes('first')) text += String((await once(socket, 'data'))[0])
    expect(text).not.toContain('second')
    expect(performance.now() - started).toBeLessThan(1000)
    socket.destroy()
  })

  it.each(['limited.test', 'free.test'])('leaves an idle WebSocket open: %s', async (name) => {
    const socket = await asked(port, ['GET /ws HTTP/1.1', `Host: ${name}`, 'Upgrade: WebSocket', 'Connection: Upgrade'])
    expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1.1 101 /)
    await sleep(1500)
    socket.write('still here')
    expect(String((await once(socket, 'data'))[0])).toBe('still here')
    socket.destroy()
  })

  it('ends a response that takes too long only where that is configured', async () => {
    expect(await Promise.all(['limited.test', 'free.test'].map((name) => statusOf(port, name, '/slow')))).toEqual([504, 200])
  })

  it('serves one label below a wildcard, as its certificate does', async () => {
    const names = ['a.wild.test', 'a.b.wild.test', 'wild.test', 'a.wild.test.evil.test', 'awild.test']
    expect(await Promise.all(names.map((name) => statusOf(port, name, '/')))).toEqual([200, 404, 404, 404, 404])
  })
})
