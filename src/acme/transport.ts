import { AsyncLocalStorage } from 'node:async_hooks'
import type { IncomingHttpHeaders } from 'node:http'
import https from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import { AuthorityUnreachable, authorityProblem, type Refusal, refusalProblem } from './problem.ts'

/** The settings that all requests of one order share. */
interface Call {
  readonly directory: string
  readonly agent: https.Agent
  readonly signal: AbortSignal
}

/** acme-client has one HTTP client for the whole process. The async context gives each order its own authorities and deadline. */
const calls = new AsyncLocalStorage<Call>()

/** Time limit of one answer. */
const ANSWER_MS = 20_000
/** A directory, an order or a chain is a few kilobytes. */
const ANSWER_BYTES = 1_000_000
const ATTEMPTS = 4

/** Runs `ask`. All its requests are verified against `ca` (PEM; undefined for the system's authorities) and end after `withinMs`. */
export const withAuthority = async <T>(
  { directory, ca, withinMs }: { directory: string; ca: string | undefined; withinMs: number },
  ask: (signal: AbortSignal) => Promise<T>,
): Promise<T> => {
  const agent = new https.Agent({ keepAlive: true, proxyEnv: process.env, ...(ca === undefined ? {} : { ca }) })
  const signal = AbortSignal.timeout(withinMs)
  try {
    return await calls.run({ directory, agent, signal }, () => ask(signal))
  } finally {
    agent.destroy()
  }
}

/** A request as acme-client's HTTP client passes it to its adapter. */
export interface AdapterRequest {
  readonly url?: string | undefined
  readonly method?: string | undefined
  readonly headers?: object | undefined
  readonly data?: unknown
}

interface HttpAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/**
 * Sends one request and returns the answer in the shape of an axios response. Throws problems for refusals and failures. (The transport of
 * acme-client waits as long as Retry-After says, possibly hours, and turns a refused connection into a TypeError.)
 */
export const send = async (
  wanted: AdapterRequest,
): Promise<{ data: string; status: number; statusText: string; headers: Record<string, string> }> => {
  const call = calls.getStore()
  if (call === undefined) throw new Error('ACME request outside of withAuthority()')
  const { status, headers, body } = await persist(wanted, call)
  const refusal = status >= 400 ? asRefusal(body) : {}
  // acme-client retries by itself if a nonce was too old.
  if (status >= 400 && !refusal.type?.endsWith(':badNonce')) throw refusalProblem(call.directory, status, refusal, headers['retry-after'])
  return { data: body, status, statusText: '', headers: onlyText(headers) }
}

const persist = async (wanted: AdapterRequest, call: Call): Promise<HttpAnswer> => {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const got = await request(wanted, call)
      if (got.status < 500 || attempt === ATTEMPTS || asksForPatience(got.headers['retry-after'])) return got
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      // A timeout already took long, so it is retried only once.
      const attempts = code === 'ETIMEDOUT' ? 2 : ATTEMPTS
      if (attempt >= attempts || call.signal.aborted || code === undefined || !TRANSIENT.has(code)) {
        throw unreachableProblem(call.directory, wanted.url ?? '', error as NodeJS.ErrnoException)
      }
    }
    await sleep(500 * 2 ** attempt, undefined, { ref: true })
  }
}

/** Whether an authority asks to wait longer than the retries of a request take. */
const asksForPatience = (retryAfter: string | undefined): boolean =>
  retryAfter !== undefined && !(/^\d+$/.test(retryAfter) && Number(retryAfter) <= 5)

/** Failures that may be over a second later. */
const TRANSIENT = new Set(['ECONNRESET', 'ETIMEDOUT', 'EAI_AGAIN', 'EPIPE'])

const request = (wanted: AdapterRequest, { directory, agent, signal }: Call): Promise<HttpAnswer> =>
  new Promise((resolve, reject) => {
    const { url = '', method = 'get', headers, data } = wanted
    if (!URL.canParse(url) || new URL(url).protocol !== 'https:') {
      const fix = 'set acme.directory to a directory with https URLs only'
      reject(authorityProblem(directory, { what: `certificate authority names the URL ${JSON.stringify(url)}, which is not https`, fix }))
      return
    }
    const sent = https.request(url, { method: method.toUpperCase(), headers: onlyText(headers), agent, signal, timeout: ANSWER_MS })
    sent.on('error', reject)
    sent.on('timeout', () => sent.destroy(Object.assign(new Error(`no answer within ${ANSWER_MS / 1000} s`), { code: 'ETIMEDOUT' })))
    sent.on('response', (response) => {
      const chunks: Buffer[] = []
      let size = 0
      response.on('error', reject)
      response.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size > ANSWER_BYTES) response.destroy(new Error(`answer is longer than ${ANSWER_BYTES} bytes`))
        else chunks.push(chunk)
      })
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks).toString() }),
      )
    })
    sent.end(typeof data === 'string' ? data : undefined)
  })

const onlyText = (headers: object | undefined): Record<string, string> =>
  Object.fromEntries(Object.entries({ ...headers }).filter((entry): entry is [string, string] => typeof entry[1] === 'string'))

const UNTRUSTED = /CERT|SELF_SIGNED|ISSUER|UNABLE_TO_VERIFY|ALTNAME/

const unreachableProblem = (directory: string, url: string, error: NodeJS.ErrnoException): Error => {
  if (error.name === 'Problem') return error
  const host = URL.canParse(url) ? new URL(url).host : url
  if (error.code !== undefined && UNTRUSTED.test(error.code)) {
    const fix =
      'set acme.ca_file to a PEM file with the certificate of the authority that signed it (a test authority creates a new one at every start)'
    return authorityProblem(directory, { what: `certificate of ${host} is not trusted`, why: error.message, fix }, error)
  }
  const late = error.name === 'AbortError' || error.name === 'TimeoutError'
  return new AuthorityUnreachable(
    directory,
    {
      what: `certificate authority at ${host} cannot be reached`,
      // If several addresses refuse, Node throws one error without a message.
      why: late ? 'it took too long' : error.message || (error.code ?? 'no reason was given'),
      fix: 'check acme.directory and the network of this machine; the present certificate stays in use, and the next run tries again',
    },
    error,
  )
}

const asRefusal = (body: string): Refusal => {
  try {
    const parsed: unknown = JSON.parse(body)
    return typeof parsed === 'object' && parsed !== null ? parsed : {}
  } catch {
    return {}
  }
}
