import { createHash } from 'node:crypto'
import http from 'node:http'
import https from 'node:https'
import type { Environment } from '../../environment.ts'
import { NOT_FETCHED } from '../../resource/fetched/fetch.ts'
import type { Answer, FetchStep } from '../../resource/kind/step.ts'

const MAX_REDIRECTIONS = 10

/**
 * Fetches a file for a host. TLS is always verified, a redirection from https to http is refused, and headers are sent only to the origin
 * of the URL. A failure is an answer, with the reason in `stderr`.
 */
export const fetchFile = async (step: FetchStep, environment: Environment): Promise<Answer> => {
  const signal = AbortSignal.timeout(step.withinMs)
  try {
    const stdout = await follow(step, environment, signal)
    const sum = createHash('sha256').update(stdout).digest('hex')
    if (sum !== step.sha256) throw new Error(`the file has another sum: SHA-256 ${sum}, and ${step.sha256} is declared`)
    return { code: 0, stdout, stderr: '' }
  } catch (error) {
    const why = signal.aborted ? `the transfer took longer than ${step.withinMs / 60_000} minutes` : messageOf(error)
    return { code: NOT_FETCHED, stdout: Buffer.alloc(0), stderr: `${step.url}: ${why}` }
  }
}

const messageOf = (error: unknown): string => {
  if (error instanceof AggregateError && error.errors[0] !== undefined) return messageOf(error.errors[0])
  return error instanceof Error ? error.message : String(error)
}

const follow = async (step: FetchStep, environment: Environment, signal: AbortSignal): Promise<Buffer> => {
  const origin = new URL(step.url).origin
  let url = new URL(step.url)
  for (let hops = 0; hops <= MAX_REDIRECTIONS; hops += 1) {
    const headers = url.origin === origin ? Object.entries(step.headers).map(([name, value]) => [name, value.reveal()]) : []
    const response = await request(url, { headers: Object.fromEntries(headers), agent: agentFor(url, step, environment), signal })
    const { statusCode = 0, headers: answered } = response
    if (statusCode === 200) return read(response, step.maxBytes)
    response.destroy()
    if (![301, 302, 303, 307, 308].includes(statusCode) || answered.location === undefined)
      throw new Error(`the server answered ${statusCode} ${response.statusMessage ?? ''}`.trimEnd())
    const next = new URL(answered.location, url)
    const isAllowed = next.protocol === 'https:' || (next.protocol === 'http:' && url.protocol === 'http:')
    if (!isAllowed || next.username !== '' || next.password !== '')
      throw new Error(`the redirection to ${next.protocol}//${next.host} is forbidden`)
    url = next
  }
  throw new Error(`more than ${MAX_REDIRECTIONS} redirections`)
}

const request = (url: URL, options: https.RequestOptions): Promise<http.IncomingMessage> =>
  new Promise((resolve, reject) => {
    const { get } = url.protocol === 'https:' ? https : http
    get(url, options, resolve).on('error', reject)
  })

const agentFor = (url: URL, { proxy }: FetchStep, environment: Environment): http.Agent | https.Agent => {
  const through = proxy === 'none' ? {} : proxy === undefined ? environment : { HTTP_PROXY: proxy, HTTPS_PROXY: proxy }
  const options = { proxyEnv: through }
  return url.protocol === 'https:' ? new https.Agent({ ...options, rejectUnauthorized: true }) : new http.Agent(options)
}

const read = async (response: http.IncomingMessage, maxBytes: number): Promise<Buffer> => {
  const parts: Buffer[] = []
  let length = 0
  for await (const part of response as AsyncIterable<Buffer>) {
    length += part.length
    if (length > maxBytes) throw new Error(`the server sends more than ${maxBytes} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts)
}
