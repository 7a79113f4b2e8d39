import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { AuthorityUnreachable } from '../../../src/acme/problem.ts'
import { settled } from '../../../src/acme/settled.ts'
import { type AdapterRequest, send, withAuthority } from '../../../src/acme/transport.ts'
import { problemOf } from '../problem-of.ts'

/** Every pause, in milliseconds, and its signal. They take no time here. */
const pauses: (readonly [number | undefined, AbortSignal | undefined])[] = []
vi.mock('node:timers/promises', () => ({
  setTimeout: async (milliseconds?: number, _?: unknown, options?: { signal?: AbortSignal }) => {
    pauses.push([milliseconds, options?.signal])
    options?.signal?.throwIfAborted()
  },
}))

type Answer = (request: IncomingMessage, response: ServerResponse) => void

/** The answers of the authority to the next requests; the last one is repeated. */
let answers: Answer[] = []
const requests: { method: string | undefined; headers: IncomingMessage['headers']; body: string; port: number | undefined }[] = []
let server: Server
let ca = ''
let port = 0
beforeAll(async () => {
  const directory = mkdtempSync(join(tmpdir(), 'provision-transport-'))
  const [key, certificate] = [join(directory, 'key.pem'), join(directory, 'certificate.pem')]
  const words = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=authority -addext subjectAltName=IP:127.0.0.1 -keyout ${key} -out ${certificate}`
  execFileSync('openssl', words.split(' '), { stdio: 'ignore' })
  ca = readFileSync(certificate, 'utf8')
  server = createServer({ key: readFileSync(key), cert: ca }, async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { method, headers, socket } = request
    requests.push({ method, headers, body: Buffer.concat(chunks).toString(), port: socket.remotePort })
    const answer = answers.length > 1 ? answers.shift() : answers[0]
    answer?.(request, response)
  }).listen(0, '127.0.0.1')
  rmSync(directory, { recursive: true })
  await once(server, 'listening')
  port = (server.address() as AddressInfo).port
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})
beforeEach(() => {
  requests.length = 0
  pauses.length = 0
})

const plain =
  (status: number, body = '', headers: Record<string, string | string[]> = {}): Answer =>
  (_, response) =>
    void response.writeHead(status, headers).end(body)
const broken: Answer = ({ socket }) => void socket.destroy()
const url = (path = 'dir'): string => `https://127.0.0.1:${port}/${path}`
const DIRECTORY = 'https://ca.test/dir'
const PLACE = { host: 'controller', resource: `acme-account:${DIRECTORY}` }

const asked = (wanted: AdapterRequest = {}, { withinMs = 20_000, isTrusted = true } = {}) =>
  withAuthority({ directory: DIRECTORY, ca: isTrusted ? ca : undefined, withinMs }, () => send({ url: url(), ...wanted }))

describe('a request to an authority', () => {
  it('is sent as it is, and returns status, body and headers of one value', async () => {
    answers = [plain(201, 'made', { 'Replay-Nonce': 'n1', 'Set-Cookie': ['a=1', 'b=2'] })]
    const headers = { 'Content-Type': 'application/jose+json', 'X-Number': 7, 'X-Nothing': undefined }
    const found = await asked({ method: 'post', headers, data: '{"a":"é"}' })
    expect(found).toMatchObject({ status: 201, statusText: '', data: 'made', headers: { 'replay-nonce': 'n1' } })
    expect(found.headers).not.toHaveProperty('set-cookie')
    expect(requests).toMatchObject([{ method: 'POST', body: '{"a":"é"}', headers: { 'content-type': 'application/jose+json' } }])
    expect(requests[0]?.headers).not.toHaveProperty('x-number')
    await asked({ data: { an: 'object' } })
    expect(requests[1]).toMatchObject({ method: 'GET', body: '' })
  })

  it('uses one connection for all requests of an order', async () => {
    answers = [plain(200)]
    await withAuthority({ directory: DIRECTORY, ca, withinMs: 20_000 }, async (signal) => {
      expect(signal.aborted).toBe(false)
      for (let i = 0; i < 3; i++) await send({ url: url() })
    })
    expect(new Set(requests.map((one) => one.port)).size).toBe(1)
    await asked()
    expect(new Set(requests.map((one) => one.port)).size).toBe(2)
  })

  it('belongs to an order', async () => {
    await expect(send({ url: url() })).rejects.toThrow('outside of withAuthority')
  })

  it.each([
    [399, '{"detail":"no"}', undefined],
    [400, '{"detail":"no"}', 'no'],
    [404, 'not JSON', 'HTTP status 404'],
    [403, '"text"', 'HTTP status 403'],
  ])('with status %i and body %s is refused: %s', async (status, body, why) => {
    answers = [plain(status, body)]
    if (why === undefined) expect((await asked()).status).toBe(status)
    else expect(await problemOf(asked())).toMatchObject({ class: 'task', where: PLACE, why })
  })

  it('whose nonce was too old is left to the client, which repeats it', async () => {
    const refusal = (type: string) => plain(400, JSON.stringify({ type: `urn:ietf:params:acme:error:${type}`, detail: 'no' }))
    answers = [refusal('badNonce')]
    expect((await asked()).status).toBe(400)
    answers = [refusal('badNonces')]
    expect((await problemOf(asked())).why).toBe('no')
  })
})

describe('an authority that fails', () => {
  it('is asked again after growing pauses, at most four times', async () => {
    answers = [plain(500), broken, plain(200, 'late')]
    expect((await asked()).data).toBe('late')
    expect(pauses.map(([milliseconds]) => milliseconds)).toEqual([1000, 2000])
    requests.length = 0
    pauses.length = 0
    answers = [plain(503, '{"detail":"busy"}')]
    expect(await problemOf(asked())).toMatchObject({ what: 'certificate authority does not serve requests at present', why: 'busy' })
    expect(requests).toHaveLength(4)
    expect(pauses.map(([milliseconds]) => milliseconds)).toEqual([1000, 2000, 4000])
    requests.length = 0
    answers = [broken]
    const problem = await problemOf(asked())
    expect(problem).toBeInstanceOf(AuthorityUnreachable)
    expect(problem).toMatchObject({
      where: PLACE,
      what: `certificate authority at 127.0.0.1:${port} cannot be reached`,
      why: 'socket hang up',
      class: 'task',
    })
    expect((problem.cause as NodeJS.ErrnoException).code).toBe('ECONNRESET')
    expect(requests).toHaveLength(4)
  })

  it.each([
    ['5', 4],
    ['6', 1],
    ['0', 4],
    ['5 s', 1],
    ['in 5', 1],
    ['Mon, 30 Nov 2026 08:00:00 GMT', 1],
  ])('and asks to wait until %s is asked %i times', async (wait, times) => {
    answers = [plain(500, '', { 'Retry-After': wait })]
    await problemOf(asked())
    expect(requests).toHaveLength(times)
  })

  it('is not asked again if it refuses', async () => {
    answers = [plain(499)]
    await problemOf(asked())
    expect(requests).toHaveLength(1)
  })

  it('that does not exist is not asked again', async () => {
    const closed = createServer().listen(0, '127.0.0.1')
    await once(closed, 'listening')
    const unused = (closed.address() as AddressInfo).port
    closed.close()
    const problem = await problemOf(asked({ url: `https://127.0.0.1:${unused}/dir` }))
    expect(problem).toMatchObject({
      what: `certificate authority at 127.0.0.1:${unused} cannot be reached`,
      why: expect.stringContaining('ECONNREFUSED'),
    })
    expect(pauses).toEqual([])
  })

  it('that takes too long is given up', async () => {
    answers = [() => {}]
    const problem = await problemOf(asked({}, { withinMs: 100 }))
    expect(problem).toBeInstanceOf(AuthorityUnreachable)
    expect(problem.why).toBe('it took too long')
    expect(requests).toHaveLength(1)
  })

  it('with an untrusted certificate is a different problem', async () => {
    const problem = await problemOf(asked({}, { isTrusted: false }))
    expect(problem).not.toBeInstanceOf(AuthorityUnreachable)
    expect(problem).toMatchObject({
      where: PLACE,
      what: `certificate of 127.0.0.1:${port} is not trusted`,
      fix: expect.stringMatching(/^set acme\.ca_file to a PEM file/),
    })
    expect(problem.cause).toBeInstanceOf(Error)
    expect([requests, pauses]).toEqual([[], []])
  })

  it.each(['http://127.0.0.1/', 'nonsense', ''])('with the URL %j is refused', async (wrong) => {
    expect(await problemOf(asked({ url: wrong }))).toMatchObject({
      where: PLACE,
      what: `certificate authority names the URL ${JSON.stringify(wrong)}, which is not https`,
    })
  })

  it('in the middle of an answer is asked again; an endless answer is given up', async () => {
    answers = [
      (_, response) => response.writeHead(200, { 'Content-Length': 9 }).write('a', () => response.destroy()),
      plain(200, 'x'.repeat(1_000_000)),
    ]
    expect((await asked()).data).toHaveLength(1_000_000)
    answers = [plain(200, 'x'.repeat(1_000_001))]
    expect((await problemOf(asked())).why).toBe('answer is longer than 1000000 bytes')
  })
})

describe('a status that is not settled', () => {
  it('is asked for at growing intervals', async () => {
    const statuses = ['pending', 'processing', 'pending', 'pending', 'pending', 'pending', 'pending', 'valid']
    const { signal } = new AbortController()
    expect(await settled(async () => ({ status: statuses.shift() ?? '' }), ['pending', 'processing'], signal)).toEqual({ status: 'valid' })
    expect(pauses.map(([milliseconds]) => milliseconds)).toEqual([100, 200, 400, 800, 1600, 3000, 3000])
    for (const [, given] of pauses) expect(given).toBe(signal)
  })

  it('is not asked for once there is none, or time is over', async () => {
    expect(await settled(async () => undefined, ['pending'], new AbortController().signal)).toBeUndefined()
    await expect(settled(async () => ({ status: 'pending' }), ['pending'], AbortSignal.abort())).rejects.toThrow('aborted')
    expect(pauses).toHaveLength(1)
  })
})
