import { randomBytes } from 'node:crypto'
import { Resolver } from 'node:dns/promises'
import http from 'node:http'
import { isIP } from 'node:net'

const RESOLVE_MS = 1500
const ANSWER_MS = 5000

/**
 * Sends the names the request that the authority will send, because a failed validation counts against its limits. Returns one message for
 * each wrong answer. A name or address that cannot be reached from here is not an error: the authority may reach it.
 */
export const preflight = async (
  names: readonly string[],
  thumbprint: string,
  network: Network = { addressesOf, port: 80 },
): Promise<readonly string[]> => {
  const found = await Promise.all(names.map((name) => wrongAnswers(name, thumbprint, network)))
  return found.flat()
}

/** The resolver of the names, and the port of HTTP-01 (RFC 8555, 8.3: 80). */
interface Network {
  addressesOf(name: string): Promise<readonly string[]>
  readonly port: number
}

const wrongAnswers = async (name: string, thumbprint: string, network: Network): Promise<readonly string[]> => {
  const token = randomBytes(16).toString('base64url')
  const addresses = await network.addressesOf(name)
  const answers = await Promise.all(
    addresses.map(async (address) => ({ address, ...(await ask(name, { host: address, port: network.port }, token)) })),
  )
  return answers.flatMap(({ address, status, body }) => {
    if (status === undefined || (status >= 300 && status < 400) || body?.trim() === `${token}.${thumbprint}`) return []
    const answer = status === 200 ? 'a wrong answer' : `HTTP status ${status}`
    return [`http://${name}/.well-known/acme-challenge/ is answered by ${address} with ${answer}`]
  })
}

const addressesOf = async (name: string): Promise<readonly string[]> => {
  if (isIP(name) !== 0) return [name]
  const resolver = new Resolver({ timeout: RESOLVE_MS, tries: 1 })
  const found = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)])
  return found.flatMap((result) => (result.status === 'fulfilled' ? result.value : []))
}

const ask = (name: string, at: { host: string; port: number }, token: string): Promise<{ status?: number; body?: string }> =>
  new Promise((resolve) => {
    const nothing = (): void => resolve({})
    const options = {
      ...at,
      path: `/.well-known/acme-challenge/${token}`,
      headers: { Host: name },
      signal: AbortSignal.timeout(ANSWER_MS),
    }
    http
      .get(options, (response) => {
        let body = ''
        response.setEncoding('utf8')
        response.on('error', nothing)
        response.on('data', (chunk: string) => {
          body = `${body}${chunk}`.slice(0, 1000)
        })
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
      })
      .on('error', nothing)
  })
