// The visitors of load.ts: a process that sends requests at a steady rate, independent of the answers. None repeats a request, except where
// HTTP/2 reports that a stream was not processed (RFC 9113, 8.7): browsers then open another, and so do these, once.
import { createHash, randomUUID } from 'node:crypto'
import http2, { type ClientHttp2Session } from 'node:http2'
import { Agent, request } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'node:tls'
import type { Failure, LoadOptions, Way } from './load.ts'

const { address, ca, pages, application, factor = 1 }: LoadOptions = JSON.parse(process.argv[2] ?? '{}')
const paths = Object.entries(pages.paths)

/** Requests per second; connections are reused. */
const RATES: Readonly<Record<Way, number>> = {
  'kept GET': 40,
  'fresh GET': 12,
  'kept POST': 12,
  'fresh POST': 6,
  'h2 GET': 16,
  'h2 POST': 6,
}
/** Timeout of a request. */
const PATIENCE_MS = 20_000

interface Wanted {
  readonly name: string
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly body?: string
}
interface Got {
  readonly status: number
  readonly body: Buffer
  readonly servedBy: string
}

// The oldest connection goes first, so that none is left idle until the server gives it up.
const kept = new Agent({ keepAlive: true, maxSockets: 12, scheduling: 'fifo' })

const byHttp1 = ({ name, method, path, body }: Wanted, agent: Agent | false): Promise<Got> =>
  new Promise((resolve, reject) => {
    const headers = { host: name, ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }) }
    const asked = request({ host: address, servername: name, path, method, ca, agent, headers, timeout: PATIENCE_MS }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks), servedBy: String(response.headers['x-served-by']) }),
      )
    })
    asked.on('timeout', () => asked.destroy(new Error('no answer within 20 s')))
    asked.on('error', reject)
    asked.end(body)
  })

/** One session per name, as in a browser; replaced as soon as the server announces its end. */
const sessions = new Map<string, Promise<ClientHttp2Session>>()
const sessionFor = (name: string): Promise<ClientHttp2Session> => {
  const there = sessions.get(name)
  if (there !== undefined) return there
  const opening = new Promise<ClientHttp2Session>((resolve, reject) => {
    const session = http2.connect(`https://${name}`, {
      createConnection: () => connect({ host: address, port: 443, servername: name, ca, ALPNProtocols: ['h2'] }),
    })
    const forget = (): void => {
      if (sessions.get(name) === opening) sessions.delete(name)
    }
    session.on('connect', () => resolve(session))
    session.on('goaway', forget)
    session.on('close', forget)
    session.on('error', (error) => {
      forget()
      reject(error)
    })
  })
  sessions.set(name, opening)
  return opening
}

const byHttp2 = async (wanted: Wanted): Promise<Got> => {
  const session = await sessionFor(wanted.name)
  try {
    return await streamOn(session, wanted)
  } catch (error) {
    if (!(error as Error).message.includes('NGHTTP2_REFUSED_STREAM')) throw error
    current.refused += 1
    sessions.delete(wanted.name)
    return streamOn(await sessionFor(wanted.name), wanted)
  }
}

const streamOn = (session: ClientHttp2Session, { method, path, body }: Wanted): Promise<Got> =>
  new Promise((resolve, reject) => {
    const stream = session.request({ ':method': method, ':path': path }, { endStream: body === undefined })
    const chunks: Buffer[] = []
    let head: http2.IncomingHttpHeaders = {}
    stream.setTimeout(PATIENCE_MS, () => {
      // A server that does not answer for so long may be gone, so other requests do not wait for it.
      session.destroy()
      reject(new Error('no answer within 20 s'))
    })
    stream.on('response', (headers) => {
      head = headers
    })
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('error', reject)
    stream.on('close', () => reject(new Error(`the stream was closed (${stream.rstCode})`)))
    stream.on('end', () => {
      resolve({ status: Number(head[':status'] ?? 0), body: Buffer.concat(chunks), servedBy: String(head['x-served-by']) })
    })
    if (body !== undefined) stream.end(body)
  })

class Current {
  readonly name: string
  readonly began = performance.now()
  readonly pending = new Set<Promise<void>>()
  readonly sent: Record<string, number> = {}
  readonly failures: Failure[] = []
  readonly servedBy = new Set<string>()
  slowestMs = 0
  refused = 0
  constructor(name: string) {
    this.name = name
  }
}

let current = new Current('')
const posted: string[] = []
const unsure: string[] = []

const digest = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex')

const visit = async (way: Way, phase: Current): Promise<void> => {
  const began = performance.now()
  const id = randomUUID()
  const isPost = way.endsWith('POST')
  const body = `${id} ${'x'.repeat(Math.floor(Math.random() * 3000))}`
  const [path = '/', digests = []] = paths[Math.floor(Math.random() * paths.length)] ?? []
  const wanted: Wanted = isPost
    ? { name: application ?? '', method: 'POST', path: `/count/${id}`, body }
    : { name: pages.name, method: 'GET', path }
  phase.sent[way] = (phase.sent[way] ?? 0) + 1
  let why: string | undefined
  try {
    const got = await (way.startsWith('h2') ? byHttp2(wanted) : byHttp1(wanted, way.startsWith('kept') ? kept : false))
    if (got.status !== 200) why = `status ${got.status}: ${got.body.toString().trim().slice(0, 60)}`
    else if (isPost ? digest(got.body) !== digest(body) : !digests.includes(digest(got.body)))
      why = `other content (${got.body.length} bytes)`
    else phase.servedBy.add(got.servedBy)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    why = code === undefined ? message : `${code}: ${message}`
  }
  const ms = performance.now() - began
  phase.slowestMs = Math.max(phase.slowestMs, ms)
  if (isPost) (why === undefined ? posted : unsure).push(id)
  if (why !== undefined) phase.failures.push({ way, at: (began - phase.began) / 1000, seconds: ms / 1000, why, ...(isPost && { id }) })
}

const goOn = async (way: Way): Promise<never> => {
  const every = 1000 / (RATES[way] * factor)
  for (let due = performance.now() + Math.random() * every; ; due += every) {
    await sleep(Math.max(0, due - performance.now()))
    const phase = current
    const visiting = visit(way, phase)
    phase.pending.add(visiting)
    void visiting.then(() => phase.pending.delete(visiting))
  }
}

const ended = async (phase: Current) => {
  const seconds = (performance.now() - phase.began) / 1000
  await Promise.all(phase.pending)
  const { name, sent, failures, slowestMs, servedBy, refused } = phase
  return { name, seconds, sent, failures, slowestMs, refused, servedBy: [...servedBy].sort() }
}

const tell = (message: unknown): void => void process.send?.(message)

process.on('message', async ({ begin, next, stop }: { begin?: string; next?: string; stop?: true }) => {
  const phase = current
  current = new Current(begin ?? next ?? 'after')
  if (begin !== undefined) {
    for (const way of Object.keys(RATES) as Way[]) if (application !== undefined || way.endsWith('GET')) void goOn(way)
    tell({})
  } else if (next !== undefined) tell(await ended(phase))
  else if (stop) tell({ phase: await ended(phase), posted, unsure })
})
// The parent process is gone.
process.on('disconnect', () => process.exit())
