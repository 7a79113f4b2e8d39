import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'

/** A server in a thread, because tests wait for programs of this machine without running the event loop. */
export interface FileServer {
  readonly http: string
  readonly https: string
  /** PEM of the authority that signed the certificate. */
  readonly ca: string
  readonly authority: string
  /** Lines of requests so far: `https GET /file`, with the header Authorization if there is one. */
  requests(): Promise<readonly string[]>
  close(): Promise<void>
}

// Paths: /git/… are the repositories of a directory, and private ones need a password, /file/TEXT is TEXT, /hex/HEX its bytes, /to/URL redirects, /large never ends, /hang never begins, /cut ends early, /private/TEXT needs a password, /status/N.
const PROGRAM = `
const { parentPort, workerData } = require('node:worker_threads')
const lines = []
const backend = (request, response, path) => {
  if (path.startsWith('private') && request.headers.authorization === undefined)
    return response.writeHead(401, { 'www-authenticate': 'Basic realm=x' }).end()
  const [info, query = ''] = path.split('?')
  const env = {
    ...{ PATH: process.env.PATH, GIT_PROJECT_ROOT: workerData.repositories, GIT_HTTP_EXPORT_ALL: '1', PATH_INFO: '/' + info, QUERY_STRING: query },
    ...{ REQUEST_METHOD: request.method, CONTENT_TYPE: request.headers['content-type'] ?? '', REMOTE_USER: 'x' },
    ...{ HTTP_GIT_PROTOCOL: request.headers['git-protocol'] ?? '', HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '' },
    ...{ GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'safe.directory', GIT_CONFIG_VALUE_0: '*' },
  }
  const child = require('node:child_process').spawn('git', ['http-backend'], { env })
  request.pipe(child.stdin)
  const parts = []
  child.stdout.on('data', (part) => parts.push(part))
  child.on('close', () => {
    const all = Buffer.concat(parts)
    const end = all.indexOf('\\r\\n\\r\\n')
    const headers = Object.fromEntries(all.subarray(0, end).toString().split('\\r\\n').map((line) => line.split(': ')))
    response.writeHead(Number.parseInt(headers.Status ?? '200', 10), headers).end(all.subarray(end + 4))
  })
}
const answer = (request, response) => {
  const { authorization } = request.headers
  lines.push([request.socket.encrypted ? 'https' : 'http', request.method, request.url, ...(authorization ? [authorization] : [])].join(' '))
  const [, what, rest = ''] = /^(?:http:..[^/]*)?\\/(\\w+)\\/?(.*)$/.exec(request.url) ?? []
  const text = decodeURIComponent(rest)
  if (what === 'git') return backend(request, response, rest)
  if (what === 'hang') return
  if (what === 'hex') return response.end(Buffer.from(rest, 'hex'))
  if (what === 'to') return response.writeHead(302, { location: text }).end()
  if (what === 'status') return response.writeHead(Number(text)).end()
  if (what === 'private' && authorization === undefined) return response.writeHead(401, { 'www-authenticate': 'Basic realm=x' }).end()
  if (what === 'cut') return response.writeHead(200, { 'content-length': 1000 }).write('short', () => response.destroy())
  if (what === 'large') {
    response.writeHead(200)
    const more = () => { while (response.write(Buffer.alloc(65536))); }
    response.on('drain', more)
    return more()
  }
  response.writeHead(200, { 'content-length': Buffer.byteLength(text) }).end(text)
}
const servers = [require('node:http').createServer(answer), require('node:https').createServer(workerData, answer)]
Promise.all(servers.map((server) => new Promise((done) => server.listen(0, '127.0.0.1', done)))).then(() =>
  parentPort.postMessage(servers.map((one) => one.address().port)))
parentPort.on('message', () => parentPort.postMessage(lines))
`

export const fileServer = async (repositories = ''): Promise<FileServer> => {
  const directory = mkdtempSync(join(tmpdir(), 'file-server-'))
  chmodSync(directory, 0o755)
  const [key, authority] = [join(directory, 'key.pem'), join(directory, 'ca.pem')]
  const words = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout ${key} -out ${authority}`
  execFileSync('openssl', words.split(' '), { stdio: 'ignore' })
  const [cert, keyText] = [readFileSync(authority, 'utf8'), readFileSync(key, 'utf8')]
  const worker = new Worker(PROGRAM, { eval: true, workerData: { cert, key: keyText, repositories } })
  const [[http, https]] = (await once(worker, 'message')) as [[number, number]]
  return {
    ...{ http: `http://localhost:${http}`, https: `https://localhost:${https}`, ca: cert, authority },
    requests: async () => {
      worker.postMessage('')
      const [lines] = (await once(worker, 'message')) as [readonly string[]]
      return lines
    },
    close: async () => {
      rmSync(directory, { recursive: true })
      await worker.terminate()
    },
  }
}
