import { getEventListeners, once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, connect as openSocket, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { fingerprint } from '../../../../src/host/known-hosts/known-hosts.ts'
import { connect, reach } from '../../../../src/host/ssh/connect.ts'
import type { Target } from '../../../../src/host/target/connection.ts'
import { problemOf } from '../../problem-of.ts'
import { keygen, peer, refusingAgent, type SshServer, scratch, sshServer, targetOf, wireOf } from './ssh-server.ts'

afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

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
  [
    'sends more than sshd would, and waits',
    (socket) => void socket.write(`${'x'.repeat(100)}\n`.repeat(200)),
    { what: 'is not sshd', why: `${'x'.repeat(100)}\n`.repeat(4) + 'x'.repeat(81) },
  ],
  ['is a mail server that waits', (socket) => void socket.write('220 mail.example.org ESMTP\r\n'), { what: 'is not sshd' }],
])('a peer that %s is reported at once', async (_, serve, expected) => {
  const directory = scratch()
  const port = await peer(serve)
  const target = targetOf(directory, { port, hostKey: keygen(join(directory, 'host')) }, { keys: [keygen(join(directory, 'key'))] })
  const began = Date.now()
  const problem = await problemOf(connect(target))
  expect(Date.now() - began).toBeLessThan(6000)
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
  vi.spyOn(Math, 'random').mockReturnValue(0)
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

test('a port at which nothing listens is tried for ten seconds, or once if the caller retries itself', async () => {
  vi.spyOn(Math, 'random').mockReturnValue(0)
  vi.useFakeTimers({ toFake: ['Date'] })
  const directory = scratch()
  const target = targetOf(directory, { port: 1, hostKey: keygen(join(directory, 'host')) }, { keys: [keygen(join(directory, 'key'))] })
  const attempts = async (retries?: boolean): Promise<readonly string[]> => {
    const log: string[] = []
    const hear = (line: string): void => {
      log.push(line)
      // Three seconds pass with each attempt.
      if (line.includes('; retry in ')) vi.setSystemTime(Date.now() + 3_000)
    }
    const problem = await problemOf(connect(target, { log: hear, retries }))
    expect(problem).toMatchObject({ class: 'unreachable', what: '127.0.0.1, port 1 refused the connection' })
    return log.filter((line) => line.includes('; retry in '))
  }
  const [pauses, none] = await Promise.all([attempts(), attempts(false)])
  expect(none).toEqual([])
  expect(pauses).toEqual([150, 300, 600, 1000].map((ms) => `web-01: 127.0.0.1, port 1 refused the connection; retry in ${ms} ms`))
  vi.spyOn(Math, 'random').mockReturnValue(1)
  expect(await firstPause(target)).toBe('web-01: 127.0.0.1, port 1 refused the connection; retry in 450 ms')
})

/** The first message about a retry, after which the connection is cancelled. */
const firstPause = (target: Target): Promise<string> =>
  new Promise((resolve) => {
    const stop = new AbortController()
    const log = (line: string): void => {
      if (!line.includes('retry')) return
      resolve(line)
      stop.abort()
    }
    connect(target, { log, signal: stop.signal }).catch(() => {})
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

  test('a line that is not UTF-8 is ignored, and stays when a key is stored', async () => {
    const { target, server } = await serverAndTarget('accept-new', () => '')
    const [file = ''] = target.knownHosts
    writeFileSync(file, Buffer.from('\xff\xfe ssh-ed25519 \xe9\n', 'latin1'))
    await (await connect(target)).close()
    await (await connect({ ...target, hostKeys: 'strict' })).close()
    const known = `[127.0.0.1]:${server.port} ${publicKey(server.hostKey)}\n`
    expect(readFileSync(file, 'latin1')).toBe(`\xff\xfe ssh-ed25519 \xe9\n${known}`)
  })

  test('a server with several keys shows the one that is known', async () => {
    const directory = scratch()
    const key = keygen(join(directory, 'key'))
    const otherHostKey = keygen(join(directory, 'preferred'))
    const server = await sshServer({ directory, accepts: wireOf(key), hostKeyType: 'ecdsa', otherHostKey })
    await (await connect(targetOf(directory, server, { keys: [key] }))).close()
    // Without a known key, the best one is shown.
    const problem = await problemOf(connect(targetOf(directory, server, { keys: [key], knownHosts: [] })))
    expect(problem.why).toBe(`[127.0.0.1]:${server.port} presents ssh-ed25519 ${fingerprint(Buffer.from(wireOf(otherHostKey), 'base64'))}`)
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

describe('a connection', () => {
  const anyTarget = (port: number, otherwise: Partial<Target> = {}): Target => {
    const directory = scratch()
    return targetOf(directory, { port, hostKey: keygen(join(directory, 'host')) }, { keys: [keygen(join(directory, 'key'))], ...otherwise })
  }

  test('that is not established within ten seconds is given up', async () => {
    const target = anyTarget(await peer(() => {}))
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const problem = problemOf(reach(target, {}))
    // Before the event loop can establish it.
    vi.advanceTimersByTime(10_000)
    expect(await problem).toMatchObject({ class: 'unreachable', what: `no answer from 127.0.0.1, port ${target.port} within 10 s` })
    const { stream, release } = await reach(target, {})
    expect(vi.getTimerCount()).toBe(0)
    await release()
    stream.destroy()
  })

  test.each(['before it begins', 'while it is established', 'in the handshake', 'between two attempts'])(
    'ends with the reason of the signal %s',
    async (moment) => {
      const stop = new AbortController()
      const abort = (): void => stop.abort(new Error('stop'))
      let came: Socket | undefined
      const port = await peer((socket) => {
        came = socket
        socket.resume()
        if (moment === 'in the handshake') setTimeout(abort, 20)
        else socket.resetAndDestroy()
      })
      const log = (line: string): void => {
        if (line.includes('retry in') && moment === 'between two attempts') abort()
      }
      if (moment === 'before it begins') abort()
      const target = anyTarget(port)
      const began = Date.now()
      const link =
        moment === 'while it is established' ? reach(target, { signal: stop.signal }) : connect(target, { signal: stop.signal, log })
      if (moment === 'while it is established') abort()
      await expect(link).rejects.toThrow(new Error('stop'))
      expect(Date.now() - began).toBeLessThan(6000)
      await expect.poll(() => getEventListeners(stop.signal, 'abort')).toEqual([])
      if (moment === 'before it begins') expect(came).toBeUndefined()
      if (moment === 'in the handshake') await expect.poll(() => came?.destroyed).toBe(true)
    },
  )

  test('has no more listeners of the signal once it is established, and none of its timers', async () => {
    const directory = scratch()
    const key = keygen(join(directory, 'key'))
    const server = await sshServer({ directory, accepts: wireOf(key) })
    const { signal } = new AbortController()
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const link = await connect(targetOf(directory, server, { keys: [key] }), { signal })
    expect([getEventListeners(signal, 'abort'), vi.getTimerCount()]).toEqual([[], 0])
    await link.close()
    await link.gone
    expect(vi.getTimerCount()).toBe(0)
  })

  test('logs the steps of ssh with the name of the host', async () => {
    const directory = scratch()
    const key = keygen(join(directory, 'key'))
    const server = await sshServer({ directory, accepts: wireOf(key) })
    const log: string[] = []
    await (await connect(targetOf(directory, server, { keys: [key] }), { log: (line) => log.push(line) })).close()
    expect(log.some((line) => /^web-01: .*Handshake/i.test(line))).toBe(true)
    expect(log.every((line) => line.startsWith('web-01: '))).toBe(true)
  })

  test('is over two seconds after its end if the host does not end it', async () => {
    const directory = scratch()
    const key = keygen(join(directory, 'key'))
    const sockets: Socket[] = []
    const server = await sshServer({ directory, accepts: wireOf(key), serves: (socket) => sockets.push(socket) > 0 })
    const link = await connect(targetOf(directory, server, { keys: [key] }))
    // It reads nothing any more, not even the end.
    sockets[0]?.pause()
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    let isGone = false
    const gone = link.gone.then((error) => {
      isGone = true
      return error
    })
    // The end is sent, and nobody waits for the host.
    await link.close()
    await vi.advanceTimersByTimeAsync(1_999)
    await sleep(20)
    expect(isGone).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(await gone).toBeUndefined()
  })

  test('to a host that does not answer any more is lost after forty seconds', async () => {
    const directory = scratch()
    const key = keygen(join(directory, 'key'))
    const sockets: Socket[] = []
    const server = await sshServer({ directory, accepts: wireOf(key), serves: (socket) => sockets.push(socket) > 0 })
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const link = await connect(targetOf(directory, server, { keys: [key] }))
    sockets[0]?.pause()
    let isLost = false
    link.gone.then(() => (isLost = true))
    await vi.advanceTimersByTimeAsync(39_999)
    await sleep(20)
    expect(isLost).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect((await link.gone)?.message).toBe('Keepalive timeout')
  })

  test('is one of twenty that log in at the same time', async () => {
    const sockets: Socket[] = []
    const port = await peer((socket) => sockets.push(socket))
    const target = anyTarget(port)
    const links = Array.from({ length: 22 }, () => problemOf(connect(target, { retries: false })))
    await expect.poll(() => sockets.length).toBe(20)
    await sleep(50)
    expect(sockets).toHaveLength(20)
    // A dropped connection would lower the limit.
    sockets[0]?.end('HTTP/1.1 400 Bad Request\r\n\r\n')
    await expect.poll(() => sockets.length).toBe(21)
    for (const socket of sockets) socket.destroy()
    await expect.poll(() => sockets.length).toBe(22)
    for (const socket of sockets) socket.destroy()
    await Promise.all(links)
  })

  test.each<[string, (socket: Socket) => void, number, string]>([
    ['sends nothing', () => {}, 10_000, 'accepts connections, but sent nothing within 10 s'],
    ['begins a key exchange', hello, 20_000, 'key exchange with 127.0.0.1, port PORT did not finish within 20 s'],
    ['prints the name of ssh in a text', (socket) => void socket.write('not SSH-2.0\r\n'), 10_000, 'is not sshd'],
  ])('to a peer that %s, and then waits, is given up', async (_, serve, ms, what) => {
    const sockets: Socket[] = []
    const port = await peer((socket) => {
      sockets.push(socket.resume())
      serve(socket)
    })
    const target = anyTarget(port)
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    let isOver = false
    const problem = problemOf(connect(target)).finally(() => (isOver = true))
    while (sockets.length === 0) await sleep(5)
    await sleep(50)
    await vi.advanceTimersByTimeAsync(ms - 1)
    expect(isOver).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect((await problem).what).toContain(what.replace('PORT', String(port)))
    await expect.poll(() => sockets.map(({ destroyed }) => destroyed)).toEqual([true])
  })

  test('to a host that begins slowly has the whole time for its login', async () => {
    const directory = scratch()
    const key = keygen(join(directory, 'key'))
    let logins = 0
    let begin: (() => void) | undefined
    const server = await sshServer({ directory, accepts: wireOf(key), holdsLogins: () => (logins += 1) })
    const port = await peer((socket) => {
      const further = openSocket(server.port, '127.0.0.1')
      begin = () => void socket.pipe(further).pipe(socket)
      further.on('error', () => {})
    })
    const target = targetOf(directory, { ...server, port }, { keys: [key] })
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    let isOver = false
    const problem = problemOf(connect(target)).finally(() => (isOver = true))
    while (begin === undefined) await sleep(5)
    await sleep(50)
    await vi.advanceTimersByTimeAsync(9_000)
    begin()
    while (logins === 0) await sleep(5)
    await vi.advanceTimersByTimeAsync(19_999)
    expect(isOver).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(await problem).toMatchObject({ what: `login with 127.0.0.1, port ${port} did not finish within 20 s` })
  })

  test('offers no further key to a host that accepts no keys', async () => {
    const directory = scratch()
    const keys = ['one', 'two'].map((name) => keygen(join(directory, name)))
    const server = await sshServer({ directory, methods: ['password'] })
    expect(await problemOf(connect(targetOf(directory, server, { keys })))).toMatchObject({
      what: 'login as ops was refused',
      why: expect.stringMatching(/^tried \S*\/one \([^)]*\); the host accepts password$/),
    })
    expect(server.offered).toEqual([wireOf(keys[0] ?? '')])
  })

  test('uses the next key if the agent does not sign with the first', async () => {
    const directory = scratch()
    const [agentKey, fileKey] = ['one', 'two'].map((name) => keygen(join(directory, name)))
    const agent = await refusingAgent(directory, wireOf(agentKey ?? ''))
    const server = await sshServer({ directory, accepts: [wireOf(agentKey ?? ''), wireOf(fileKey ?? '')] })
    const log: string[] = []
    const target = targetOf(directory, server, { keys: [`${agentKey}.pub`, fileKey ?? ''], agent: agent.socket })
    const link = await connect(target, { log: (line) => log.push(line) })
    await link.close()
    // It was asked for its keys, and for a signature.
    expect(agent.requests).toEqual([11, 13])
    expect(server.offered).toEqual([wireOf(agentKey ?? ''), wireOf(fileKey ?? '')])
    expect(link.loginKeys).toEqual([wireOf(fileKey ?? '')])
    expect(await link.gone).toBeUndefined()
  })
})
