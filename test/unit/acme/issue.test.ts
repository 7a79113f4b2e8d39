import { execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import acme from 'acme-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { issueCertificate } from '../../../src/acme/issue.ts'
import { Problem } from '../../../src/problem.ts'

/** An authority with one fixed answer; test/e2e uses a real one. */
let answers: { status: number; headers?: Record<string, string>; body: string } = { status: 200, body: '' }
let asked = 0
let server: Server
let url = ''
let ca = ''
let request = ''

const NAMES = ['www.example.test', 'example.test']
const accountKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()

beforeAll(async () => {
  const directory = mkdtempSync(join(tmpdir(), 'provision-authority-'))
  const [key, certificate] = [join(directory, 'key.pem'), join(directory, 'certificate.pem')]
  const words = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=authority -addext subjectAltName=IP:127.0.0.1 -keyout ${key} -out ${certificate}`
  execFileSync('openssl', words.split(' '), { stdio: 'ignore' })
  ca = readFileSync(certificate, 'utf8')
  server = createServer({ key: readFileSync(key), cert: ca }, (_, response) => {
    asked += 1
    response.writeHead(answers.status, answers.headers).end(answers.body)
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  rmSync(directory, { recursive: true })
  url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/dir`
  const [, csr] = await acme.crypto.createCsr({ altNames: NAMES }, await acme.crypto.createPrivateEcdsaKey())
  request = csr.toString()
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

const failing = async (more: Partial<Parameters<typeof issueCertificate>[0]> = {}): Promise<Problem> => {
  const order = {
    directory: 'https://ca.test/dir',
    url,
    ca,
    accountKey,
    contact: undefined,
    request,
    names: NAMES,
    doing: () => {},
    ...more,
  }
  const error = await issueCertificate(order).catch((problem: unknown) => problem)
  if (error instanceof Problem) return error
  throw new Error(`no problem but ${String(error)}`)
}

describe('an authority that does not issue is a problem with a fix: one', () => {
  it.each([
    ['is not a directory', { status: 200, body: '<html>hello</html>' }, /invalid ACME answer/, /newAccount/],
    ['answers 404', { status: 404, body: '{}' }, /refused/, /HTTP status 404/],
    [
      'names URLs without TLS',
      { status: 200, body: '{"newNonce":"http://127.0.0.1:1/","newAccount":"http://127.0.0.1:1/"}' },
      /names the URL "http:/,
      undefined,
    ],
    ['sends an endless answer', { status: 200, body: 'x'.repeat(2_000_000) }, /cannot be reached/, /longer than/],
    [
      'refuses with a reason',
      {
        status: 400,
        body: '{"type":"urn:ietf:params:acme:error:rejectedIdentifier","detail":"no","subproblems":[{"identifier":{"value":"a.test"},"detail":"reserved"}]}',
      },
      /does not issue certificates for one of the names/,
      /no\na.test: reserved/,
    ],
  ])('that %s', async (_, answer, what, why) => {
    answers = answer
    const problem = await failing()
    expect(problem.class).toBe('task')
    expect(problem.where).toEqual({ host: 'controller', resource: 'acme-account:https://ca.test/dir' })
    expect(problem.what).toMatch(what)
    if (why !== undefined) expect(problem.why).toMatch(why)
    expect(problem.fix).not.toBe('')
  })

  it('that limits the rate: at once, without waiting for Retry-After and without a retry', async () => {
    answers = {
      status: 429,
      headers: { 'retry-after': '7200' },
      body: '{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many"}',
    }
    asked = 0
    const { why, fix } = await failing()
    expect(why).toBe('too many')
    expect(fix).toContain('in 120 minutes')
    expect(asked).toBe(1)
  })

  it('that has an untrusted certificate', async () => {
    expect(await failing({ ca: undefined })).toMatchObject({
      what: expect.stringContaining('not trusted'),
      fix: expect.stringContaining('acme.ca_file'),
    })
  })

  it('that cannot be reached', async () => {
    expect(await failing({ url: 'https://127.0.0.1:1/dir' })).toMatchObject({
      what: expect.stringContaining('127.0.0.1:1 cannot be reached'),
    })
  })
})

describe('a signing request for other names is refused:', () => {
  it.each([
    ['fewer names', ['www.example.test', 'example.test', 'shop.example.test']],
    ['more names', ['www.example.test']],
    ['other names', ['www.example.test', 'example.org']],
  ])('%s', async (_, names) => {
    asked = 0
    expect((await failing({ names })).what).toContain('names that differ from those of the site')
    expect(asked).toBe(0)
  })

  it.each(['', 'hello', '-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n'])('nor %o', async (bad) => {
    expect((await failing({ request: bad })).why).toContain('names in the request: unreadable')
  })
})

describe('a refusal of the authority', () => {
  const URN = 'urn:ietf:params:acme:error:'
  it.each([
    ['rejectedIdentifier', /does not issue certificates for one of the names/, /certificates\[\]\.names/],
    ['caa', /CAA record of the domain excludes this authority/, /CAA records/],
    ['invalidContact', /refused the contact/, /acme\.contact/],
    ['unsupportedContact', /refused the contact/, /acme\.contact/],
    ['externalAccountRequired', /requires external account binding/, /acme\.external_account/],
    ['unauthorized', /refused the account/, /may have deactivated the account/],
    ['badCSR', /refused the signing request/, /another key type/],
    ['somethingElse', /^certificate authority refused the request$/, /documentation of the authority/],
  ])('%s has its own message and fix', async (type, what, fix) => {
    answers = { status: 403, body: JSON.stringify({ type: `${URN}${type}`, detail: 'because', subproblems: [{ type: 'x' }] }) }
    expect(await failing()).toMatchObject({
      what: expect.stringMatching(what),
      why: 'because\nrequest: no reason given',
      fix: expect.stringMatching(fix),
    })
  })

  it('of another kind of problem document is shown with its words', async () => {
    answers = { status: 403, body: '{"type":"https://elsewhere.test/caa","detail":"because"}' }
    expect((await failing()).what).toBe('certificate authority refused the request')
    answers = { status: 403, body: '[]' }
    expect((await failing()).why).toBe('HTTP status 403')
    answers = { status: 429, body: 'null' }
    expect(await failing()).toMatchObject({ why: 'HTTP status 429', fix: expect.stringMatching(/^run again later;/) })
    answers = { status: 429, headers: { 'retry-after': 'Mon, 30 Nov 2026 08:00:00 GMT' }, body: '' }
    expect((await failing()).fix).toMatch(/^run again after Mon, 30 Nov 2026 08:00:00 GMT;/)
  })
})
