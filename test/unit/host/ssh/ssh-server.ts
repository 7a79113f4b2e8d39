import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, connect as openSocket, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import ssh2, { type Algorithms, type Connection, type ServerChannel, type ServerConfig } from 'ssh2'
import { expect, onTestFinished } from 'vitest'
import type { Target } from '../../../../src/host/target/connection.ts'

/** A directory that is deleted after the test. */
export const scratch = (): string => {
  const directory = mkdtempSync(join(tmpdir(), 'provision-ssh-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** Generates a key pair, unless it exists, and returns the path of its private key. */
export const keygen = (path: string, ...options: readonly string[]): string => {
  if (!existsSync(path)) execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path, ...options])
  return path
}

/** The public half in SSH's wire format. */
export const wireOf = (path: string): string => readFileSync(`${path}.pub`, 'utf8').split(' ')[1] ?? ''

/** An agent with these keys, in this order. Returns its socket. */
export const agentWith = async (directory: string, keys: readonly string[]): Promise<string> => {
  const socket = join(directory, 'agent.sock')
  const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' })
  onTestFinished(() => void agent.kill())
  const ask = (...words: readonly string[]) =>
    spawnSync('ssh-add', words, { env: { ...process.env, SSH_AUTH_SOCK: socket }, stdio: 'ignore' }).status
  // Its status is 2 until the agent listens, and 1 while it has no key.
  await expect.poll(() => ask('-l'), { timeout: 10_000 }).toBe(1)
  for (const key of keys) expect(ask('-q', key)).toBe(0)
  return socket
}

/**
 * An agent in this process that has one key and refuses to sign, as if nobody confirmed it (draft-miller-ssh-agent, sections 4.4 and 4.5).
 * Returns its socket, and the types of the requests that it received.
 */
export const refusingAgent = async (
  directory: string,
  wire: string,
): Promise<{ readonly socket: string; readonly requests: readonly number[] }> => {
  const [REQUEST_IDENTITIES, FAILURE, IDENTITIES] = [11, 5, 12]
  const lengthened = (bytes: Buffer): Buffer => {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(bytes.length)
    return Buffer.concat([length, bytes])
  }
  const one = Buffer.from([IDENTITIES, 0, 0, 0, 1])
  const identities = Buffer.concat([one, lengthened(Buffer.from(wire, 'base64')), lengthened(Buffer.from('a comment'))])
  const requests: number[] = []
  const server = createServer((client) => {
    let unread = Buffer.alloc(0)
    client
      .on('error', () => {})
      .on('data', (chunk) => {
        unread = Buffer.concat([unread, chunk])
        while (unread.length >= 4 && unread.length >= 4 + unread.readUInt32BE()) {
          const type = unread[4] ?? 0
          unread = unread.subarray(4 + unread.readUInt32BE())
          requests.push(type)
          client.write(lengthened(type === REQUEST_IDENTITIES ? identities : Buffer.from([FAILURE])))
        }
      })
  })
  const socket = join(directory, 'refusing.sock')
  await new Promise<void>((done) => server.listen(socket, done))
  onTestFinished(() => void server.close())
  return { socket, requests }
}

const listening = async (take: (socket: Socket, count: number) => void, port = 0): Promise<number> => {
  const open = new Set<Socket>()
  let count = 0
  const server = createServer({ noDelay: true }, (socket) => {
    open.add(socket)
    socket.on('error', () => {}).on('close', () => open.delete(socket))
    count += 1
    take(socket, count)
  })
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done))
  onTestFinished(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** A peer that is not sshd, or a broken one. Returns its port. */
export const peer = listening

export interface SshServer {
  readonly port: number
  /** Public keys that were offered, in base64, in order and once each. */
  readonly offered: string[]
  readonly hostKey: string
}

interface Behaviour {
  readonly directory: string
  /** The public keys in base64 that let in. */
  readonly accepts?: string | readonly string[]
  /** Login methods that the server names when it refuses a key. */
  readonly methods?: readonly ('publickey' | 'password' | 'keyboard-interactive')[]
  /** Called for each login, which is never answered. */
  readonly holdsLogins?: (connection: Connection) => void
  /** Offers after which the server disconnects, like MaxAuthTries of sshd. */
  readonly maxTries?: number
  readonly hostKeyType?: string
  /** Another host key of the server. */
  readonly otherHostKey?: string
  readonly port?: number
  readonly algorithms?: Algorithms
  /** Runs a command on a session of a logged-in user. Without it, the server refuses sessions. */
  readonly execute?: (command: string, channel: ServerChannel, user: string) => void
  /** Called for each session, which never opens. */
  readonly holdsSessions?: () => void
  /** Forwards connections, as a jump host does; or calls a function instead, and never answers. */
  readonly forwards?: boolean | (() => void)
  /** Called with each connection before it is served, and its number. Returns whether to serve it. */
  readonly serves?: (socket: Socket, count: number) => boolean
}

/** An SSH server in this process that checks public keys and nothing else. */
export const sshServer = async (behaviour: Behaviour): Promise<SshServer> => {
  const {
    directory,
    accepts = [],
    maxTries = 6,
    methods = ['publickey'],
    hostKeyType = 'ed25519',
    serves = () => true,
    execute,
  } = behaviour
  const hostKey = keygen(join(directory, `host-${hostKeyType}`), '-t', hostKeyType, ...(hostKeyType === 'rsa' ? ['-b', '2048'] : []))
  const offered: string[] = []
  const config: ServerConfig = {
    hostKeys: [hostKey, behaviour.otherHostKey ?? []].flat().map((path) => readFileSync(path, 'utf8')),
    ...(behaviour.algorithms && { algorithms: behaviour.algorithms }),
  }
  const login = (connection: Connection): void => {
    let tries = 0
    let user = ''
    if (behaviour.forwards)
      connection.on('tcpip', (accept, reject, { destIP, destPort }) => {
        if (typeof behaviour.forwards === 'function') return behaviour.forwards()
        const further: Socket = openSocket({ host: destIP, port: destPort }, () => {
          const channel = accept()
          further.pipe(channel).pipe(further)
          channel.on('error', () => {}).on('close', () => further.destroy())
        }).on('error', () => reject())
        further.on('error', () => {})
      })
    if (behaviour.holdsSessions !== undefined) connection.on('session', behaviour.holdsSessions)
    else if (execute !== undefined)
      connection.on('session', (accept) => {
        accept().on('exec', (start, _, { command }) => execute(command, start(), user))
      })
    connection
      .on('error', () => {})
      .on('authentication', (context) => {
        if (behaviour.holdsLogins !== undefined) return behaviour.holdsLogins(connection)
        if (context.method === 'keyboard-interactive') return context.prompt([{ prompt: 'Code:', echo: true }], () => context.accept())
        if (context.method !== 'publickey') return context.reject([...methods])
        const key = context.key.data.toString('base64')
        if (!offered.includes(key)) offered.push(key)
        user = context.username
        if ([accepts].flat().includes(key)) return context.accept()
        tries += 1
        if (tries === maxTries) return endLogin(connection)
        context.reject([...methods])
      })
  }
  const server = new ssh2.Server(config, login)
  const port = await listening((socket, count) => {
    if (serves(socket, count)) server.injectSocket(socket)
  }, behaviour.port)
  return { port, offered, hostKey }
}

interface Protocol {
  readonly _packetRW: { readonly write: { readonly allocStart: number; alloc(length: number): Buffer; finalize(packet: Buffer): Buffer } }
  readonly _cipher: { encrypt(packet: Buffer): void }
}

/** Sends a message that ssh2 cannot send: its head, a text, and an empty language. */
const send = (connection: Connection, head: readonly number[], words: string): void => {
  const { _packetRW: packets, _cipher: cipher } = Reflect.get(connection, '_protocol') as Protocol
  const [start, text] = [Buffer.from(head), Buffer.from(words)]
  const { allocStart: at } = packets.write
  const packet = packets.write.alloc(start.length + 4 + text.length + 4)
  start.copy(packet, at)
  packet.writeUInt32BE(text.length, at + start.length)
  text.copy(packet, at + start.length + 4)
  packet.writeUInt32BE(0, at + start.length + 4 + text.length)
  cipher.encrypt(packets.write.finalize(packet))
}

/** Sends SSH_MSG_DISCONNECT with the text of sshd after MaxAuthTries keys. */
const endLogin = (connection: Connection): void => send(connection, [1, 0, 0, 0, 2], 'Too many authentication failures')

/** Sends SSH_MSG_DEBUG, which ssh writes into its messages. */
export const sendDebug = (connection: Connection, text: string): void => send(connection, [4, 1], text)

/** The transport of connections to servers of this process. The tests of the shell run over each. */
export const transport: { current: NonNullable<Target['transport']> } = { current: 'ssh2' }

/** A connection to a server of this process that trusts its host key. */
export const targetOf = (
  directory: string,
  { port, hostKey }: Pick<SshServer, 'port' | 'hostKey'>,
  otherwise: Partial<Target> = {},
): Target => {
  const knownHosts = join(directory, 'known_hosts')
  writeFileSync(knownHosts, `[127.0.0.1]:${port} ${readFileSync(`${hostKey}.pub`, 'utf8')}`)
  return {
    ...{ name: 'web-01', address: '127.0.0.1', port, user: 'ops', keys: [], knownHosts: [knownHosts], hostKeys: 'strict', jump: [] },
    ...{ agent: 'none', transport: transport.current, ...otherwise },
  }
}
