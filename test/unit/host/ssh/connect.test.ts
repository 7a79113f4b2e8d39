import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { connect } from '../../../../src/host/ssh/connect.ts'
import type { Target } from '../../../../src/host/target/connection.ts'
import { problemOf } from '../../problem-of.ts'
import { keygen, peer, type SshServer, scratch, sshServer, targetOf, wireOf } from './ssh-server.ts'

const hello = (socket: Socket): void => void socket.write('SSH-2.0-OpenSSH_9.2\r\n')
// SSH_MSG_DISCONNECT (1), reason 2, "no", and an empty language, unencrypted as at the beginning of a key exchange.
const DISCONNECT = Buffer.from(`0000001c0a0100000002000000026e6f00000000${'00'.repeat(12)}`, 'hex')

test.each<[string, (socket: Socket) => void, { readonly what: string; readonly why?: string }]>([
  [
    'sends garbage instead of a key exchange, and stays',
    (socket) => {
      hello(socket)
      socket.write(Buffer.alloc(64, 0xff))
    },
    { what: 'ended the key exchange' },
  ],
  [
    'disconnects in the key exchange, and stays',
    (socket) => {
      hello(socket)
      socket.write(DISCONNECT)
    },
    { what: 'ended the key exchange', why: 'no' },
  ],
  ['is a database that waits', (socket) => void socket.write('J\0\0\0\n8.0.36\0'), { what: 'is not sshd', why: 'J???\n8.0.36?' }],
  ['is a web server that waits', (socket) => void socket.write('HTTP/1.1 400 Bad Request\r\n'), { what: 'is not sshd' }],
  ['is a mail server that waits', (socket) => void socket.write('220 mail.example.org ESMTP\r\n'), { what: 'is not sshd' }],
])('a peer that %s is reported at once', async (_, serve, expected) => {
  const directory = scratch()
  const port = await peer(serve)
  const began = Date.now()
  const problem = await problemOf(
    connect(targetOf(directory, { port, hostKey: keygen(join(directory, 'host')) }, { keys: [keygen(join(directory, 'key'))] })),
  )
  expect(Date.now() - began).toBeLessThan(2_000)
  expect(problem).toMatchObject({
    class: 'unreachable',
    what: `${/service/.test(problem.what) ? 'service on ' : ''}127.0.0.1, port ${port} ${expected.what}`,
  })
  if (expected.why !== undefined) expect(problem.why).toBe(expected.why)
})

test('a peer that ends its half of the connection in the key exchange is tried twice', async () => {
  const directory = scratch()
  let came = 0
  const port = await peer((socket, count) => {
    came = count
    hello(socket)
    socket.end()
  })
  const target = targetOf(directory, { port, hostKey: keygen(join(directory, 'host')) }, { keys: [keygen(join(directory, 'key'))] })
  expect(await problemOf(connect(target))).toMatchObject({ what: `127.0.0.1, port ${port} closed the connection during the key exchange` })
  expect(came).toBe(2)
})

test.each([
  ['refuses new connections for a moment', (socket: Socket) => void socket.end('Exceeded MaxStartups\r\n')],
  ['is restarted during the key exchange', (socket: Socket) => void socket.end('SSH-2.0-OpenSSH_9.2\r\n')],
  ['resets the connection', (socket: Socket) => void socket.resetAndDestroy()],
])('a server that %s is tried again', async (_, refuse) => {
  const directory = scratch()
  const key = keygen(join(directory, 'key'))
  const server = await sshServer({
    directory,
    accepts: wireOf(key),
    serves: (socket, count) => {
      if (count === 1) refuse(socket)
      return count > 1
    },
  })
  const link = await connect(targetOf(directory, server, { keys: [key] }))
  await link.close()
  expect(await link.gone).toBeUndefined()
})

test('a port at which nothing listens is tried for two seconds, or once if the caller retries itself', async () => {
  const directory = scratch()
  const target = targetOf(directory, { port: 1, hostKey: keygen(join(directory, 'host')) }, { keys: [keygen(join(directory, 'key'))] })
  const attempts = async (retries?: boolean): Promise<number> => {
    const log: string[] = []
    const problem = await problemOf(connect(target, { log: (line) => log.push(line), retries }))
    expect(problem).toMatchObject({ class: 'unreachable', what: '127.0.0.1, port 1 refused the connection' })
    return 1 + log.filter((line) => line.includes('; retry in ')).length
  }
  expect(await attempts()).toBe(4)
  expect(await attempts(false)).toBe(1)
})

test('a server that begins to listen a moment later lets in', async () => {
  const directory = scratch()
  const key = keygen(join(directory, 'key'))
  const unused = await unusedPort()
  const target = targetOf(directory, { port: unused, hostKey: keygen(join(directory, 'host-ed25519')) }, { keys: [key] })
  const linked = connect(target)
  setTimeout(() => void sshServer({ directory, accepts: wireOf(key), port: unused }), 300)
  await (await linked).close()
})

const unusedPort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise((closed) => server.close(closed))
  return port
}

describe('host keys', () => {
  const serverAndTarget = async (hostKeys: Target['hostKeys'], known: (server: SshServer) => string) => {
    const directory = scratch()
    const key = keygen(join(directory, 'key'))
    const server = await sshServer({ directory, accepts: wireOf(key) })
    const target = targetOf(directory, server, { keys: [key], hostKeys })
    const text = known(server)
    writeFileSync(target.knownHosts[0] ?? '', text)
    const stored = (): string => readFileSync(target.knownHosts[0] ?? '', 'utf8')
    return { directory, server, target, text, stored }
  }
  const publicKey = (path: string): string => readFileSync(`${path}.pub`, 'utf8').split(' ').slice(0, 2).join(' ')
  const other = (...options: string[]): string => publicKey(keygen(join(scratch(), 'other'), ...options))

  test.each([
    ['strict', 'another key of the same type', () => other(), /^host key of web-01 changed \(.*:1\)/],
    ['accept-new', 'another key of the same type', () => other(), /^host key of web-01 changed \(.*:1\)/],
    ['strict', 'a key of another type', () => other('-t', 'ecdsa'), /^host key of web-01 has another type than the known one \(.*:1\)/],
    ['accept-new', 'a key of another type', () => other('-t', 'ecdsa'), /^host key of web-01 has another type than the known one \(.*:1\)/],
  ] as const)('%s refuses a host if %s is known, and stores nothing', async (hostKeys, _, known, what) => {
    const { target, text, stored, server } = await serverAndTarget(hostKeys, ({ port }) => `[127.0.0.1]:${port} ${known()}\n`)
    expect(await problemOf(connect(target))).toMatchObject({ class: 'unreachable', what: expect.stringMatching(what) })
    expect(stored()).toBe(text)
    expect(server.offered).toEqual([])
  })

  test('accept-new stores an unknown key once, and strict refuses it without an offer of a key', async () => {
    const strict = await serverAndTarget('strict', () => '')
    expect(await problemOf(connect(strict.target))).toMatchObject({ what: 'host key of web-01 is not known' })
    expect([strict.stored(), strict.server.offered]).toEqual(['', []])
    const { target, server, stored } = await serverAndTarget('accept-new', () => '# mine')
    await (await connect(target)).close()
    await (await connect(target)).close()
    expect(stored()).toBe(`# mine\n[127.0.0.1]:${server.port} ${publicKey(server.hostKey)}\n`)
  })

  test('a key that is known from another file is not stored again', async () => {
    const { target, stored, text, directory } = await serverAndTarget(
      'accept-new',
      ({ port, hostKey }) => `[127.0.0.1]:${port} ${publicKey(hostKey)}\n`,
    )
    const first = join(directory, 'first')
    writeFileSync(first, '')
    await (await connect({ ...target, knownHosts: [first, ...target.knownHosts] })).close()
    expect([readFileSync(first, 'utf8'), stored()]).toEqual(['', text])
  })
})
