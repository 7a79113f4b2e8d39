import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { preflight } from '../../../src/acme/preflight.ts'

const PREFIX = '/.well-known/acme-challenge/'

/** Answers for `www.example.test` by two servers that listen on one port. */
const asked = async (first: RequestListener, second: RequestListener = first, addresses = ['127.0.0.1', '127.0.0.2']) => {
  const one = createServer(first).listen(0, '127.0.0.1')
  await once(one, 'listening')
  const { port } = one.address() as AddressInfo
  const two = createServer(second).listen(port, '127.0.0.2')
  await once(two, 'listening')
  onTestFinished(() => {
    for (const server of [one, two]) {
      server.closeAllConnections()
      server.close()
    }
  })
  return preflight(['www.example.test'], 'thumbprint', { addressesOf: async () => addresses, port })
}

const right: RequestListener = ({ url = '' }, response) => void response.end(`${url.slice(PREFIX.length)}.thumbprint`)
const wrong = (address: string, answer: string): string => `http://www.example.test${PREFIX} is answered by ${address} with ${answer}`

it('accepts a name that does not resolve from here', async () => {
  expect(await preflight(['www.example.invalid'], 'thumbprint')).toEqual([])
})

it('sends the request of the authority to every address, with an unpredictable token', async () => {
  const requests: string[] = []
  const noted: RequestListener = (request, response) => {
    requests.push(`${request.method} ${request.headers.host} ${request.url}`)
    right(request, response)
  }
  expect(await asked(noted)).toEqual([])
  expect(await asked(noted)).toEqual([])
  expect(requests).toHaveLength(4)
  for (const request of requests) expect(request).toMatch(/^GET www\.example\.test \/\.well-known\/acme-challenge\/[\w-]{22}$/)
  expect(new Set(requests).size).toBe(2)
})

it('accepts white space after the answer, as authorities do', async () => {
  expect(await asked(({ url = '' }, response) => void response.end(`${url.slice(PREFIX.length)}.thumbprint \n`))).toEqual([])
})

it.each<[string, RequestListener, string]>([
  ['another thumbprint', ({ url = '' }, response) => void response.end(`${url.slice(PREFIX.length)}.other`), 'a wrong answer'],
  ['another token', (_, response) => void response.end('token.thumbprint'), 'a wrong answer'],
  ['a page', (_, response) => void response.end('x'.repeat(1_000_000)), 'a wrong answer'],
  ['nothing there', (_, response) => void response.writeHead(404).end('none'), 'HTTP status 404'],
  ['a failure', (_, response) => void response.writeHead(503).end(), 'HTTP status 503'],
  ['a refusal', (_, response) => void response.writeHead(400).end(), 'HTTP status 400'],
  ['another success', (_, response) => void response.writeHead(299).end(), 'HTTP status 299'],
])('names the address that answers with %s', async (_, answer, words) => {
  expect(await asked(right, answer)).toEqual([wrong('127.0.0.2', words)])
  expect(await asked(answer)).toEqual([wrong('127.0.0.1', words), wrong('127.0.0.2', words)])
})

it('leaves a redirect to the authority, which follows it', async () => {
  expect(await asked((_, response) => void response.writeHead(301, { Location: 'https://www.example.test/' }).end())).toEqual([])
  for (const status of [300, 399]) expect(await asked((_, response) => void response.writeHead(status).end())).toEqual([])
})

it('accepts an address that cannot be reached from here, or breaks the connection', async () => {
  expect(await asked(right, right, ['127.0.0.3'])).toEqual([])
  expect(await asked(({ socket }) => void socket.destroy())).toEqual([])
  expect(await asked((_, response) => void response.writeHead(200, { 'Content-Length': 9 }).write('a', () => response.destroy()))).toEqual(
    [],
  )
})
