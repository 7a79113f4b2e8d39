import { connect as openSocket, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { Problem } from '../../problem.ts'
import { refusalOf } from '../known-hosts/host-key.ts'
import { type KnownHost, knownName, knownTypes, statusOfKey } from '../known-hosts/known-hosts.ts'
import { readKnownHosts, storeHostKeys } from '../known-hosts/known-hosts-file.ts'
import type { Target } from '../target/connection.ts'
import { algorithmsFor } from './algorithms.ts'
import { connectProblem, isRefusedForNow, LATE } from './connect-problem.ts'
import { type Credential, credentialsOf } from './credentials.ts'
import { handshake } from './handshake.ts'
import { openTunnel } from './jump.ts'
import type { Link } from './link.ts'
import { semaphore } from './semaphore.ts'

export interface ConnectOptions {
  readonly signal?: AbortSignal | undefined
  readonly log?: ((line: string) => void) | undefined
  /** Whether to retry a dropped or refused connection, true by default. */
  readonly retries?: boolean | undefined
}

const CONNECT_MS = 10_000
/** Attempts if nothing listens at the port, as during a restart of sshd. The pauses between them take two seconds. */
const REFUSED_TRIES = 4

// sshd refuses bursts of connections before login (MaxStartups, PerSourcePenalties).
const limitLogins = semaphore(20)

/** Connects and logs in. Retries with growing pauses if sshd drops the connection, or if nothing listens for a moment. */
export const connect = async (target: Target, options: ConnectOptions = {}): Promise<Link> => {
  const credentials = await credentialsOf(target)
  const known = await readKnownHosts(target.knownHosts, options.log)
  for (let tries = 1; ; tries += 1) {
    options.signal?.throwIfAborted()
    const result = await limited(target, () => attempt(target, credentials, known, options))
    if (!('dropped' in result)) return result
    if (tries >= result.tries || options.retries === false) throw result.dropped
    const pause = 150 * 2 ** tries * (0.5 + Math.random())
    options.log?.(`${target.name}: ${result.dropped.what}; retry in ${Math.round(pause)} ms`)
    await sleep(pause, undefined, { signal: options.signal }).catch(() => {})
  }
}

// A connection through a bastion waits for the connection to the bastion, which needs a place in the semaphore itself.
const limited = <T>(target: Target, work: () => Promise<T>): Promise<T> => (target.jump.length > 0 ? work() : limitLogins(work))

const attempt = async (
  target: Target,
  credentials: readonly Credential[],
  known: readonly KnownHost[],
  options: ConnectOptions,
): Promise<Link | { readonly dropped: Problem; readonly tries: number }> => {
  const transport = await reach(target, options).catch(refusedForNow)
  if ('dropped' in transport) return transport
  const name = knownName(target)
  const verify = async (key: Buffer): Promise<Problem | undefined> => {
    const verdict = statusOfKey(known, name, key)
    const refusal = refusalOf(target, verdict, key)
    if (!refusal && verdict.status === 'unknown') await storeHostKeys(target, [key])
    return refusal
  }
  const algorithms = algorithmsFor(knownTypes(known, name))
  const abandon = async (): Promise<void> => {
    transport.stream.destroy()
    await transport.release()
  }
  const outcome = await handshake(target, transport.stream, { algorithms, credentials, verify, ...options }).catch(
    async (error: unknown) => {
      await abandon()
      throw error
    },
  )
  if ('dropped' in outcome) {
    await abandon()
    return outcome
  }
  const { client, gone, loginKeys } = outcome
  gone.then(() => transport.release())
  const close = async (): Promise<void> => {
    client.end()
    const forced = setTimeout(() => transport.stream.destroy(), 2_000)
    await gone
    clearTimeout(forced)
  }
  return { client, gone, loginKeys, close }
}

const refusedForNow = (error: unknown): { readonly dropped: Problem; readonly tries: number } => {
  if (error instanceof Problem && isRefusedForNow(error.cause)) return { dropped: error, tries: REFUSED_TRIES }
  throw error
}

/** A stream to the host's sshd: directly, or through its jump hosts. */
export const reach = async (target: Target, options: ConnectOptions): Promise<{ stream: Duplex; release(): Promise<void> }> => {
  if (target.jump.length > 0) return await openTunnel(target, (bastion) => connect(bastion, options))
  return { stream: await openTcp(target, options.signal), release: async () => {} }
}

const openTcp = (target: Target, signal: AbortSignal | undefined): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const { address: host, port } = target
    // ssh2 leaves Nagle's algorithm on, which makes connecting five times slower.
    const socket = openSocket({ host, port, noDelay: true })
    const deadline = setTimeout(() => fail(Object.assign(new Error(), { code: LATE })), CONNECT_MS)
    const abort = (): void => fail(signal?.reason)
    const settle = (): void => {
      clearTimeout(deadline)
      signal?.removeEventListener('abort', abort)
    }
    const fail = (error: NodeJS.ErrnoException): void => {
      settle()
      socket.destroy()
      reject(signal?.aborted ? signal.reason : connectProblem(target, error, CONNECT_MS))
    }
    signal?.addEventListener('abort', abort)
    socket.on('error', fail).once('connect', () => {
      settle()
      resolve(socket)
    })
  })
