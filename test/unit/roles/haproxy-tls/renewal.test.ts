import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { declaredBy, textOf } from './balancer.ts'

const files = mkdtempSync(join(tmpdir(), 'provision-renewal-'))
const chain = join(files, 'site.pem')
const openssl = (...words: readonly string[]): string =>
  execFileSync('openssl', words, { cwd: files, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']

let answer: { status?: number; body: string } = { body: '' }
let directory = ''
const asked: string[] = []
let port = 0
let close = (): void => {}

beforeAll(async () => {
  openssl('req', '-x509', ...NEW_KEY, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=ca', '-addext', 'subjectKeyIdentifier=hash')
  for (const [name, serial, more] of [
    ['server', '0x01', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
    // The first bit of this serial number is set, so it is encoded with a leading zero.
    ['leaf', '0xA1B2C3D4E5', 'authorityKeyIdentifier=keyid'],
  ] as const) {
    openssl('req', ...NEW_KEY, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`)
    writeFileSync(join(files, `${name}.ext`), `${more}\n`)
    const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-set_serial', serial, '-extfile', `${name}.ext`, '-days', '9']
    openssl('x509', '-req', '-in', `${name}.csr`, '-out', `${name}.pem`, ...signed)
  }
  writeFileSync(chain, readFileSync(join(files, 'leaf.pem'), 'utf8') + readFileSync(join(files, 'ca.pem'), 'utf8'))
  writeFileSync(join(files, 'list'), `${chain}\n`)
  const tls = { key: readFileSync(join(files, 'server.key')), cert: readFileSync(join(files, 'server.pem')) }
  const server = createServer(tls, (request, response) => {
    asked.push(request.url ?? '')
    if (request.url === '/dir') response.end(directory)
    else response.writeHead(answer.status ?? 200).end(answer.body)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  port = (server.address() as AddressInfo).port
  close = () => server.close()
}, 60_000)
afterAll(() => {
  close()
  rmSync(files, { recursive: true })
})

const window = (start: string, end: string): string => JSON.stringify({ suggestedWindow: { start, end } }, undefined, 2)
const START = '2027-01-02T04:00:00Z'
const END = '2027-01-03T04:00:00Z'

beforeEach(() => {
  answer = { body: window(START, END) }
  directory = JSON.stringify({ newNonce: 'https://x/nonce', renewalInfo: `https://localhost:${port}/info` })
  asked.splice(0)
  rmSync(`${chain}.renewal`, { force: true })
})

const check = async (host = 'localhost', more: object = {}, env: object = { SSL_CERT_FILE: join(files, 'ca.pem') }): Promise<string> => {
  const acme = { directory: `https://${host}:${port}/dir`, ...more }
  const script = textOf(declaredBy({ certificates: [{ names: ['www.site.test'] }], acme }), '/usr/local/sbin/provision-revocation')
  const scratch = join(files, 'scratch')
  mkdirSync(scratch, { recursive: true })
  const child = spawn('sh', ['-c', script.replaceAll('/etc/haproxy/certificates.list', join(files, 'list'))], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, TMPDIR: scratch, ...env },
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  await once(child, 'close')
  return output
}
const recorded = (): string | undefined => (existsSync(`${chain}.renewal`) ? readFileSync(`${chain}.renewal`, 'utf8') : undefined)

describe('the moment of a renewal', { timeout: 60_000 }, () => {
  it.each(['localhost', '127.0.0.1'])('is within the window of the authority at %s, and the same each time', async (host) => {
    expect(await check(host)).toBe('')
    const text = recorded() ?? ''
    const [fingerprint, seconds] = text.trim().split(' ')
    expect(fingerprint).toBe(openssl('x509', '-in', 'leaf.pem', '-noout', '-fingerprint', '-sha256').trim().replace(/.*=/, ''))
    expect(Number(seconds) * 1000).toBeGreaterThanOrEqual(Date.parse(START))
    expect(Number(seconds) * 1000).toBeLessThanOrEqual(Date.parse(END))
    // RFC 9773, 4.1: the key identifier of the authority, and the serial number in DER.
    const key = openssl('x509', '-in', 'ca.pem', '-noout', '-ext', 'subjectKeyIdentifier').split('\n')[1]?.replaceAll(/[ :]/g, '') ?? ''
    const id = [key, '00A1B2C3D4E5'].map((hex) => Buffer.from(hex, 'hex').toString('base64url')).join('.')
    expect(asked).toEqual(['/dir', `/info/${id}`])
    await check(host)
    expect(recorded()).toBe(text)
  })

  it('may be the only one in the window', async () => {
    answer.body = window(START, START)
    await check()
    expect(recorded()).toMatch(new RegExp(` ${Date.parse(START) / 1000}\\n$`))
  })

  it.each<[string, () => void]>([
    ['without a window', () => (answer.body = '{}')],
    ['with an empty moment', () => (answer.body = window('', END))],
    ['with text in place of a moment', () => (answer.body = window('now', 'tomorrow'))],
    ['with an end before its beginning', () => (answer.body = window(END, START))],
    ['with an error', () => (answer = { status: 404, body: window(START, END) })],
    ['of an authority that offers none', () => (directory = '{"newNonce": "https://x/nonce"}')],
    ['of an authority that leads to another protocol', () => (directory = `{"renewalInfo": "http://localhost:${port}/info"}`)],
  ])('is not recorded from an answer %s', async (_, change) => {
    change()
    await check()
    expect(recorded()).toBeUndefined()
  })

  it('is not asked of an authority whose certificate the host does not trust', async () => {
    await check('localhost', {}, { SSL_CERT_FILE: '/dev/null', SSL_CERT_DIR: '/nonexistent' })
    await check('localhost', { ca_file: 'ca.pem' })
    expect([asked, recorded()]).toEqual([[], undefined])
  })

  it('is not asked for certificates that users bring', async () => {
    const own = join(files, 'site.own.pem')
    writeFileSync(own, readFileSync(chain))
    writeFileSync(join(files, 'list'), `${own}\n`)
    await check()
    writeFileSync(join(files, 'list'), `${chain}\n`)
    expect([asked, existsSync(`${own}.renewal`)]).toEqual([['/dir'], false])
  })
})
