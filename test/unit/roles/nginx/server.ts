import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'node:tls'
import nginx from '../../../../roles/nginx/role.ts'
import { bytesOf, type Content, type LocalFile, sha256Hex } from '../../../../src/resource/kind/content.ts'
import { keyOf } from '../../../../src/resource/kind/kind.ts'
import { modifiedOf } from '../../../../src/resource/release/observe.ts'
import type { ReleaseSpec } from '../../../../src/resource/release/spec.ts'
import type { Facts } from '../../../../src/role/role.ts'
import { host, unknownIdentities } from '../context.ts'
import { certificates, freePort, plainTo } from '../haproxy-tls/edge.ts'

const NGINX = '/usr/sbin/nginx'
/** nginx is not a dependency of the project: without it, these tests are skipped, and those on lab hosts remain. */
export const hasNginx = existsSync(NGINX)

const WEB = host('web-01', '127.0.0.1')
const LB = host('lb-01', '127.0.0.1')

export type Files = Readonly<Record<string, string>>

export const localFile = (text: string): LocalFile => {
  const bytes = Buffer.from(text)
  return { type: 'local', path: '/p', sha256: sha256Hex(bytes), size: bytes.length, open: () => bytes }
}

/** The resources of the role for these options; `contents` has the files of each directory of the project. */
export const declaredBy = (options: object, contents: Readonly<Record<string, Files>> = {}) =>
  nginx.resources({
    ...unknownIdentities,
    host: WEB,
    options: nginx.options.parse(options),
    site: { hosts: [LB, WEB], group: (name) => (name === 'load_balancers' ? [LB] : []), withRole: () => [WEB] },
    facts: { distribution: 'debian', release: '12' } as Facts,
    flows: [],
    exposed: [],
    files: (directory) => Object.entries(contents[directory] ?? {}).map(([path, text]) => ({ path, content: localFile(text) })),
  })

export interface Response {
  /** 0 if the connection was closed without a response. */
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

interface Request {
  readonly headers?: Readonly<Record<string, string>>
  readonly method?: string
  readonly body?: string
  readonly encoding?: 'utf8' | 'latin1'
  /** Pause in the middle of the body. */
  readonly pauseMs?: number
  /** Name of the client certificate; undefined: none. */
  readonly as?: string | undefined
  readonly address?: string
  readonly maxVersion?: 'TLSv1.2' | 'TLSv1.3'
}

/** A real nginx on loopback with the configuration of the role. */
export interface NginxServer {
  readonly port: number
  readonly status: number
  /** Directory that has the paths of a host. */
  readonly directory: string
  /** Runs a script of the role on this machine, with the paths of this server. */
  run(script: unknown): Promise<{ code: number; output: string }>
  get(name: string, path: string, request?: Request): Promise<Response>
  stop(): Promise<void>
}

/** Moves the paths of a host's nginx in a text to this directory, and its sites to `sites`. */
export const movedTo =
  (directory: string, sites: string) =>
  (text: string): string =>
    text
      .replace(/^user .*\n/m, '')
      .replace('/run/nginx.pid', join(directory, 'pid'))
      .replaceAll('/var/log/nginx', directory)
      .replaceAll('/var/www/provision', join(directory, 'www'))
      .replaceAll('/srv/provision', join(directory, 'srv'))
      .replaceAll('unix:/run/', `unix:${directory}/`)
      .replaceAll('/etc/ssl/nginx/edge-authority.pem', join(directory, 'ca.pem'))
      .replaceAll('/etc/ssl/nginx/edge.pem', join(directory, 'edge.pem'))
      .replaceAll('/etc/nginx/provision', sites)
      .replaceAll('/etc/nginx/nginx.conf', join(directory, 'nginx.conf'))

export const startNginx = async (options: object, contents: Readonly<Record<string, Files>> = {}): Promise<NginxServer> => {
  const scratch = mkdtempSync(join(tmpdir(), 'provision-nginx-'))
  chmodSync(scratch, 0o755)
  const moved = movedTo(scratch, join(scratch, 'sites'))
  const write = (path: string, bytes: Uint8Array): void => {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, bytes)
  }
  const names = { edge: 'web-01', balancer: 'lb-01', database: 'db-01' }
  certificates(scratch, Object.fromEntries(Object.entries(names).map(([file, name]) => [file, `${name}.edge.provision.internal`])))
  for (const name of Object.keys(names)) writeFileSync(join(scratch, `${name}.pem.key`), readFileSync(join(scratch, `${name}.key`)))
  const [port, status] = [await freePort(), await freePort()]
  for (const resource of declaredBy({ ipv6: false, port, status_port: status, ...options }, contents)) {
    const key = keyOf(resource)
    if (key.startsWith('file:/etc/nginx/')) {
      const { path, content } = resource.spec as { path: string; content: Content }
      write(moved(path), Buffer.from(moved(Buffer.from(bytesOf(content)).toString())))
    } else if (key.startsWith('release:')) {
      const { root, files, sums, digest } = resource.spec as ReleaseSpec
      write(join(moved(root), 'releases', `${digest}.sums`), Buffer.from(sums))
      symlinkSync(`releases/${digest}`, join(moved(root), 'current'))
      for (const { path, content } of files) {
        const at = join(moved(root), 'releases', digest, path)
        write(at, content.open())
        utimesSync(at, modifiedOf(content), modifiedOf(content))
      }
    }
  }
  const child: ChildProcess = spawn(NGINX, ['-c', join(scratch, 'nginx.conf'), '-g', 'daemon off;'], { stdio: 'ignore' })
  const stop = async (): Promise<void> => {
    if (child.exitCode === null) {
      child.kill('SIGTERM')
      await once(child, 'exit')
    }
    rmSync(scratch, { recursive: true, force: true })
  }
  for (let i = 0; ; i++) {
    const socket = await plainTo(port).catch(() => undefined)
    socket?.destroy()
    if (socket !== undefined) break
    if (i === 100 || child.exitCode !== null) throw new Error(readFileSync(join(scratch, 'error.log'), 'utf8'))
    await sleep(50)
  }
  const get: NginxServer['get'] = async (name, path, request = {}) => {
    const { headers = {}, method = 'GET', body = '', address = '127.0.0.1', maxVersion, encoding = 'utf8', pauseMs = 0 } = request
    const as = 'as' in request ? request.as : 'balancer'
    const pair = as === undefined ? {} : { cert: readFileSync(join(scratch, `${as}.pem`)), key: readFileSync(join(scratch, `${as}.key`)) }
    const servername = 'web-01.edge.provision.internal'
    const ca = readFileSync(join(scratch, 'ca.pem'))
    const socket = connect({ port, host: address, ca, servername, ...pair, ...(maxVersion !== undefined && { maxVersion }) })
    const chunks: Buffer[] = []
    socket.on('data', (chunk) => chunks.push(chunk))
    const lines = Object.entries({ Host: name, Connection: 'close', ...(body !== '' && { 'Content-Length': body.length }), ...headers })
    const half = pauseMs === 0 ? body.length : Math.floor(body.length / 2)
    socket.write(
      `${method} ${path} HTTP/1.1\r\n${lines.map(([key, value]) => `${key}: ${value}\r\n`).join('')}\r\n${body.slice(0, half)}`,
      encoding,
    )
    if (half < body.length) setTimeout(() => socket.write(body.slice(half), encoding), pauseMs)
    await new Promise((resolve) => socket.on('close', resolve).on('error', resolve))
    const [head = '', ...rest] = Buffer.concat(chunks).toString('latin1').split('\r\n\r\n')
    const [first = '', ...fields] = head.split('\r\n')
    return {
      status: Number(first.split(' ')[1] ?? 0),
      headers: Object.fromEntries(
        fields.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]),
      ),
      body: rest.join('\r\n\r\n'),
    }
  }
  const run: NginxServer['run'] = async (script) => {
    const env = { ...process.env, T: mkdtempSync(join(scratch, 'T-')) }
    const shell = spawn('sh', ['-c', moved(String(script))], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [shell.stdout, shell.stderr]) stream.on('data', (bytes) => (output += String(bytes)))
    const [code] = (await once(shell, 'close')) as [number]
    return { code, output }
  }
  return { port, status, directory: scratch, run, get, stop }
}
