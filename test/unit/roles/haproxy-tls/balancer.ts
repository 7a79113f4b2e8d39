import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls, type SecureVersion } from 'node:tls'
import haproxy from '../../../../roles/haproxy-tls/role.ts'
import { bytesOf, type Content } from '../../../../src/resource/kind/content.ts'
import { keyOf, type Resource } from '../../../../src/resource/kind/kind.ts'
import type { Facts, Flow, HostContext } from '../../../../src/role/role.ts'
import { host, unknownIdentities } from '../context.ts'
import { certificates, freePort, plainTo } from './edge.ts'

/** HAProxy is not a dependency of the project: without it, these tests are skipped, and those on lab hosts remain. */
export const hasHaproxy = spawnSync('haproxy', ['-v']).status === 0

export const THUMBPRINT = 'thumbprint-of-the-account'
export const SERVERS = ['web-01', 'web-02'] as const

/** The context of a balancer in front of these servers, for hooks of the role that need no facts. */
export const contextOf = (options: object) => {
  const members = SERVERS.map((name) => host(name, '127.0.0.1'))
  const balancer = host('lb-01', '127.0.0.1')
  return {
    host: balancer,
    options: haproxy.options.parse({ certificates: [{ names: ['www.site.test'] }], ...options }),
    flows: [],
    site: { hosts: [balancer, ...members], group: () => members, withRole: () => [balancer] },
  }
}
const BALANCER = host('lb-01', '127.0.0.1')

/** The declared resources of the role, for a site with two web servers on loopback. */
export const declaredBy = (
  options: object,
  ports: readonly number[] = [8443, 8444],
  more: Partial<Flow> = {},
  files: HostContext<unknown>['files'] = () => [],
  onAccount: (options: object) => void = () => {},
): readonly Resource[] => {
  const members = SERVERS.map((name) => host(name, '127.0.0.1'))
  const flow = (name: string, i: number): Flow => ({
    ...{ host: name, role: 'nginx', service: 'site', port: ports[i] ?? 0, protocol: 'tcp', encrypted: true },
    from: [{ name: BALANCER.name, addresses: BALANCER.addresses }],
    ...more,
  })
  const groupOf = (name: string) => members.filter((_, i) => name === 'web' || name === SERVERS[i])
  return haproxy.resources({
    ...unknownIdentities,
    files,
    host: BALANCER,
    options: haproxy.options.parse({ ipv6: false, ...options }),
    site: { hosts: [BALANCER, ...members], group: groupOf, withRole: () => [BALANCER] },
    facts: { distribution: 'debian', release: '13' } as Facts,
    flows: SERVERS.map(flow),
    exposed: [],
    acmeAccount: (given) => {
      onAccount(given)
      return { key: 'acme-account:test', thumbprint: { later: 'thumbprint', get: () => THUMBPRINT } }
    },
    authority: ({ domain }) => ({
      ...unknownIdentities.authority({ domain }),
      certificate: { later: 'certificate', get: () => 'in the files of the test' },
    }),
  })
}

/** The content of a declared file. */
export const textOf = (resources: readonly Resource[], path: string): string => {
  const found = resources.find((resource) => keyOf(resource) === `file:${path}`)
  if (found === undefined) throw new Error(`${path} is not declared`)
  return Buffer.from(bytesOf((found.spec as { content: Content }).content)).toString()
}

/** A request as a web server got it. */
export interface Received {
  readonly server: string
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
}

export type Answering = (request: IncomingMessage, response: ServerResponse, server: string) => void

/** A web server that admits the balancer only, with the name in its certificate. */
const webServer = async (files: string, name: string, answer: Answering, maxVersion: SecureVersion): Promise<Server> => {
  const [key, cert] = ['key', 'pem'].map((suffix) => readFileSync(join(files, `${name}.${suffix}`)))
  const server = createServer(
    { key, cert, ca: readFileSync(join(files, 'ca.pem')), requestCert: true, rejectUnauthorized: true, maxVersion },
    (request, response) => {
      request.resume()
      request.on('end', () => answer(request, response, name))
    },
  ).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

export interface Request {
  readonly method?: string
  readonly path?: string
  readonly host?: string
  readonly headers?: readonly string[]
  /** The visitor's address. */
  readonly from?: string
  readonly body?: string
}

export interface Response {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

export interface Balancer {
  /** Requests other than health checks, in order. */
  readonly received: Received[]
  /** `direct` is HTTPS as a visitor uses it; `https` begins with the address of a simulated visitor. */
  readonly ports: { readonly http: number; readonly https: number; readonly direct: number; readonly status: number }
  /** The lines that it logged, in order. */
  readonly logs: readonly string[]
  /** Ends it as a reload does: new connections go to the next process. */
  retire(): void
  /** Sends one request over HTTPS; closes the connection after the response. */
  ask(request?: Request): Promise<Response>
  askPlain(port: number, request?: Request): Promise<Response>
  /** The server's state in HAProxy, by backend and server: `UP`. */
  states(): Promise<ReadonlyMap<string, string>>
  /** Directory of its files; `ssl` has the certificates. */
  readonly files: string
  /** Runs a script of the role for this balancer. */
  run(script: string): Promise<{ readonly code: number; readonly output: string }>
  stop(): Promise<void>
}

export interface Setup {
  readonly options: object
  readonly answer: Answering
  /** The name in the certificate of each web server; by default that of the site. */
  readonly names?: readonly string[]
  /** Newest version of TLS that each web server speaks. */
  readonly newest?: Readonly<Record<string, SecureVersion>>
}

/** Runs HAProxy with the role's configuration on loopback: only its paths, ports and accounts differ. Visitors' addresses are simulated. */
export const startBalancer = async ({ options, answer, names = SERVERS, newest = {} }: Setup): Promise<Balancer> => {
  const files = mkdtempSync(join(tmpdir(), 'provision-haproxy-'))
  for (const name of ['etc/pages', 'ssl/edge']) mkdirSync(join(files, name), { recursive: true })
  certificates(files, {
    ...Object.fromEntries(SERVERS.map((server, i) => [server, `${names[i]}.edge.provision.internal`])),
    ...{ client: 'lb-01.edge.provision.internal', site: 'www.site.test' },
  })
  const received: Received[] = []
  const recorded: Answering = (request, response, server) => {
    const { method = '', url = '', headers } = request
    if (url !== '/healthz') received.push({ server, method, url, headers })
    answer(request, response, server)
  }
  const servers = await Promise.all(SERVERS.map((name) => webServer(files, name, recorded, newest[name] ?? 'TLSv1.3')))
  const [http, https, direct, status] = (await Promise.all([freePort(), freePort(), freePort(), freePort()])) as [
    number,
    number,
    number,
    number,
  ]
  const resources = declaredBy(
    { certificates: [{ names: ['www.site.test'] }], status_port: status, ...options },
    servers.map((server) => (server.address() as AddressInfo).port),
  )
  const logs: string[] = []
  const journal = createSocket('udp4', (message) => logs.push(message.toString())).bind(0, '127.0.0.1')
  await once(journal, 'listening')
  const moved = (text: string): string =>
    text
      .replace(/^ {4}(chroot .*|user haproxy|group haproxy)\n/gm, '')
      .replace('log /dev/log ', `log 127.0.0.1:${journal.address().port} `)
      .replaceAll(
        /unix@\/(?:var\/lib\/haproxy\/)?(once|https)\.sock( accept-proxy)?(?: user haproxy mode 600)?/g,
        `unix@${files}/$1.sock$2`,
      )
      .replaceAll(/\/run\/provision-haproxy\//g, `${files}/`)
      .replaceAll('/etc/haproxy/', `${files}/etc/`)
      .replaceAll('/etc/ssl/haproxy/', `${files}/ssl/`)
      .replace(/bind :80$/m, `bind 127.0.0.1:${http}`)
      .replace(/bind :443$/m, `bind 127.0.0.1:${https} accept-proxy\n    bind 127.0.0.1:${direct}`)
      .replace('quic4@:443', `quic4@127.0.0.1:${direct}`)
      .replace(/bind :443 (.*)/, `bind 127.0.0.1:${https} accept-proxy $1\n    bind 127.0.0.1:${direct} $1`)
      .replaceAll(/127\.0\.0\.1:443\b/g, `127.0.0.1:${direct}`)
      .replaceAll('/dev/tcp/127.0.0.1/80', `/dev/tcp/127.0.0.1/${http}`)
  const install = (name: string, path: string): void => {
    writeFileSync(path, readFileSync(join(files, `${name}.pem`), 'utf8') + readFileSync(join(files, 'ca.pem'), 'utf8'))
    writeFileSync(`${path}.key`, readFileSync(join(files, `${name}.key`)))
  }
  install('client', join(files, 'ssl/edge/client.pem'))
  writeFileSync(join(files, 'ssl/edge/authority.pem'), readFileSync(join(files, 'ca.pem')))
  const list = textOf(resources, '/etc/haproxy/certificates.list')
  for (const path of list.trim().split('\n')) install('site', moved(path))
  writeFileSync(join(files, 'etc/certificates.list'), moved(list))
  writeFileSync(join(files, 'etc/former-certificates.list'), '')
  writeFileSync(join(files, 'etc/pages/503.html'), textOf(resources, '/etc/haproxy/pages/503.html'))
  writeFileSync(join(files, 'etc/haproxy.cfg'), moved(textOf(resources, '/etc/haproxy/haproxy.cfg')))
  const child = spawn('haproxy', ['-db', '-f', join(files, 'etc/haproxy.cfg')], { stdio: ['ignore', 'ignore', 'pipe'] })
  const problems: string[] = []
  child.stderr.setEncoding('utf8').on('data', (text: string) => problems.push(text))
  const stop = async (): Promise<void> => {
    if (child.exitCode === null) {
      child.kill('SIGTERM')
      await once(child, 'exit')
    }
    for (const server of servers) {
      server.closeAllConnections()
      server.close()
    }
    journal.close()
    rmSync(files, { recursive: true })
  }
  try {
    await listening(child, https)
  } catch (error) {
    await stop()
    throw new Error(`HAProxy does not start: ${problems.join('')}`, { cause: error })
  }
  return {
    received,
    ports: { http, https, direct, status },
    logs,
    retire: () => void child.kill('SIGUSR1'),
    ask: (request) => askOver(https, request),
    files,
    run: async (script) => {
      const done = spawn('sh', ['-c', moved(script)], { env: { ...process.env, T: files }, stdio: ['ignore', 'pipe', 'pipe'] })
      let output = ''
      for (const stream of [done.stdout, done.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text))
      const [code] = await once(done, 'close')
      return { code: Number(code), output }
    },
    askPlain: async (port, request) => exchange(await plainTo(port), request),
    states: async () => {
      const { body } = await exchange(await plainTo(status), { path: '/;csv' })
      return new Map(
        body
          .split('\n')
          .map((line) => line.split(','))
          .map(([backend, server, ...rest]) => [`${backend}/${server}`, rest[15] ?? '']),
      )
    },
    stop,
  }
}

const listening = async (child: ChildProcess, port: number): Promise<void> => {
  for (let i = 0; i < 200; i++) {
    if (child.exitCode !== null) throw new Error(`exit ${child.exitCode}`)
    const isOpen = await plainTo(port).then(
      (socket) => {
        socket.destroy()
        return true
      },
      () => false,
    )
    if (isOpen) return
    await sleep(50)
  }
  throw new Error('HAProxy does not listen')
}

const askOver = async (port: number, request: Request = {}): Promise<Response> => {
  const { from = '192.0.2.1', host: name = 'www.site.test' } = request
  const socket = await plainTo(port)
  socket.write(`PROXY TCP${from.includes(':') ? '6' : '4'} ${from} ${from.includes(':') ? '2001:db8::1' : '192.0.2.99'} 40000 443\r\n`)
  const secure = connectTls({ socket, servername: name, rejectUnauthorized: false })
  await once(secure, 'secureConnect')
  return exchange(secure, request)
}

const exchange = async (socket: Socket, request: Request = {}): Promise<Response> => {
  const { method = 'GET', path = '/', host: name = 'www.site.test', headers = [], body } = request
  const lines = [`${method} ${path} HTTP/1.1`, `Host: ${name}`, 'Connection: close', ...headers]
  const length = body === undefined ? [] : [`Content-Length: ${Buffer.byteLength(body)}`]
  socket.write(`${[...lines, ...length].join('\r\n')}\r\n\r\n${body ?? ''}`)
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk as Buffer)
  const [head = '', ...rest] = Buffer.concat(chunks).toString().split('\r\n\r\n')
  const [first = '', ...fields] = head.split('\r\n')
  const found = new Map(fields.map((field) => [field.slice(0, field.indexOf(':')).toLowerCase(), field.slice(field.indexOf(':') + 2)]))
  const content = rest.join('\r\n\r\n')
  return {
    status: Number(first.split(' ')[1]),
    headers: found,
    body: found.get('transfer-encoding') === 'chunked' ? withoutChunks(content) : content,
  }
}

const withoutChunks = (content: string): string => {
  const [, size = '0', rest = ''] = /^([0-9a-fA-F]+)\r\n([\s\S]*)$/.exec(content) ?? []
  const length = Number.parseInt(size, 16)
  return length === 0 ? '' : rest.slice(0, length) + withoutChunks(rest.slice(length + 2))
}
