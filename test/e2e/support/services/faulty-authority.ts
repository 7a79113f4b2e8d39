import { execFileSync } from 'node:child_process'
import { webcrypto } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:https'
import { isIP } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as x509 from '@peculiar/x509'

/** A fault of an authority, or none. */
export type Lie =
  | 'none'
  /** It cannot validate the first name. */
  | 'invalid'
  /** A certificate for other names, for another key, or that has expired. */
  | 'names'
  | 'key'
  | 'expired'
  /** Text that is no certificate. */
  | 'garbage'
  /** Asks the client to wait: rate limit, or too busy. */
  | 'limited'
  | 'busy'

export interface FaultyAuthority {
  /** CA certificate of the directory itself (PEM). */
  readonly ca: string
  lie: Lie
  /** Types of the challenges that validate a name; undefined: names are valid without a challenge. */
  challenges: readonly string[] | undefined
  /** What the directory says about itself. */
  meta: object | undefined
  /** Paths and payloads of the requests, in order. */
  readonly requests: { readonly path: string; readonly payload: object }[]
  close(): Promise<void>
}

const DAY = 86_400_000

/** Starts an ACME directory (RFC 8555) that accepts every name without a challenge, and then violates the protocol. */
export const faultyAuthority = async (host: string, port: number): Promise<FaultyAuthority> => {
  const directory = mkdtempSync(join(tmpdir(), 'provision-liar-'))
  const [key, certificate] = [join(directory, 'key.pem'), join(directory, 'certificate.pem')]
  const words = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1000 -subj /CN=liar -addext subjectAltName=IP:${host} -keyout ${key} -out ${certificate}`
  execFileSync('openssl', words.split(' '), { stdio: 'ignore' })
  const tls = { key: readFileSync(key), cert: readFileSync(certificate, 'utf8') }
  rmSync(directory, { recursive: true })

  const url = (path: string): string => `https://${host}:${port}/${path}`
  let names: readonly string[] = []
  let chain = ''
  const challenged = new Set<number>()
  const statusOf = (i: number): string => {
    if (liar.challenges === undefined) return 'valid'
    if (!challenged.has(i)) return 'pending'
    return liar.lie === 'invalid' && i === 0 ? 'invalid' : 'valid'
  }
  const authorization = (i: number) => ({
    status: statusOf(i),
    identifier: { type: isIP(names[i] ?? '') === 0 ? 'dns' : 'ip', value: names[i]?.replace('*.', '') },
    ...(names[i]?.startsWith('*.') && { wildcard: true }),
    challenges: (liar.challenges ?? []).map((type) => ({
      ...{ type, url: url(`challenge/${i}/${type}`), status: statusOf(i), token: `token-${i}` },
      ...(statusOf(i) === 'invalid' && { error: { type: `${ERRORS}:unauthorized`, detail: 'wrong answer' } }),
    })),
  })
  const order = () => ({
    status: chain !== '' ? 'valid' : names.every((_, i) => statusOf(i) === 'valid') ? 'ready' : 'pending',
    identifiers: names.map((value) => ({ type: 'dns', value })),
    authorizations: names.map((_, i) => url(`authorization/${i}`)),
    finalize: url('finalize'),
    ...(chain !== '' && { certificate: url('certificate') }),
  })
  const answer = async (path: string, payload: Payload): Promise<{ status?: number; headers?: Record<string, string>; body?: unknown }> => {
    switch (path.split('?')[0]) {
      case '/dir':
        return {
          body: {
            newNonce: url('nonce'),
            newAccount: url('account'),
            newOrder: url('new-order'),
            ...(liar.meta !== undefined && { meta: liar.meta }),
          },
        }
      case '/account':
        return { status: 201, headers: { location: url('account/1') }, body: { status: 'valid' } }
      case '/new-order': {
        if (liar.lie === 'limited')
          return {
            status: 429,
            headers: { 'retry-after': '3600' },
            body: { type: `${ERRORS}:rateLimited`, detail: 'too many certificates' },
          }
        if (liar.lie === 'busy') return { status: 503, headers: { 'retry-after': '3600' }, body: { detail: 'Service busy; retry later.' } }
        names = payload.identifiers?.map(({ value }) => value) ?? []
        chain = ''
        challenged.clear()
        return { status: 201, headers: { location: url('order') }, body: order() }
      }
      case '/finalize':
        chain = liar.lie === 'garbage' ? 'all will be well' : await issue(liar.lie, names, payload.csr ?? '')
        return { headers: { location: url('order') }, body: order() }
      case '/certificate':
        return { headers: { 'content-type': 'application/pem-certificate-chain' }, body: chain }
      default: {
        const [, what, number = '', type] = path.split('/')
        if (what === 'authorization') return { body: authorization(Number(number)) }
        if (what === 'challenge') {
          challenged.add(Number(number))
          return { body: { type, url: url(path.slice(1)), status: 'processing', token: `token-${number}` } }
        }
        return { body: path === '/order' ? order() : '' }
      }
    }
  }

  let nonce = 0
  const server = createServer(tls, async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const [path, payload] = [request.url ?? '', payloadOf(Buffer.concat(chunks))]
    liar.requests.push({ path, payload })
    const { status = 200, headers = {}, body } = await answer(path, payload)
    nonce += 1
    const type = { 'content-type': status < 400 ? 'application/json' : 'application/problem+json', 'replay-nonce': `nonce${nonce}` }
    response.writeHead(status, { ...type, ...headers }).end(typeof body === 'string' ? body : JSON.stringify(body))
  })
  const liar: FaultyAuthority = {
    ca: tls.cert,
    lie: 'names',
    challenges: undefined,
    meta: undefined,
    requests: [],
    close: () => {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
  await new Promise<void>((resolve) => server.listen(port, host, resolve))
  return liar
}

const ERRORS = 'urn:ietf:params:acme:error'

interface Payload {
  readonly identifiers?: readonly { readonly value: string }[]
  readonly csr?: string
}

const payloadOf = (body: Buffer): Payload => {
  if (body.length === 0) return {}
  const { payload } = JSON.parse(body.toString()) as { payload: string }
  return payload === '' ? {} : JSON.parse(Buffer.from(payload, 'base64url').toString())
}

const EC = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

const issue = async (lie: Lie, names: readonly string[], csr: string): Promise<string> => {
  const signer = await webcrypto.subtle.generateKey(EC, true, ['sign', 'verify'])
  const now = Date.now()
  const given = lie === 'names' ? ['www.example.org'] : names
  const leaf = await x509.X509CertificateGenerator.create({
    subject: `CN=${given[0]}`,
    issuer: 'CN=liar',
    notBefore: new Date(now - 90 * DAY),
    notAfter: new Date(now + (lie === 'expired' ? -DAY : 90 * DAY)),
    publicKey: lie === 'key' ? signer.publicKey : new x509.Pkcs10CertificateRequest(Buffer.from(csr, 'base64url')).publicKey,
    signingKey: signer.privateKey,
    signingAlgorithm: EC,
    extensions: [new x509.SubjectAlternativeNameExtension(given.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value })))],
  })
  return leaf.toString('pem')
}
