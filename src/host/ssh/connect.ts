import { connect as openSocket, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { finished } from 'node:stream/promises'
import { Problem } from '../../problem.ts'
import { refusalOf } from '../known-hosts/host-key.ts'
import { type KnownHost, knownName, knownTypes, presentedKey, statusOfKey } from '../known-hosts/known-hosts.ts'
import { readKnownHosts, storeHostKeys } from '../known-hosts/known-hosts-file.ts'
import { algorithmsFor } from '../target/algorithms.ts'
import type { Target } from '../target/connection.ts'
import type { ConnectOptions } from '../target/link.ts'
import { connectProblem, LATE } from './connect-problem.ts'
import { type Credential, credentialsOf } from './credentials.ts'
import { handshake } from './handshake.ts'
import { openTunnel } from './jump.ts'
import { runOverSsh2, type Ssh2Link } from './link.ts'
import { type Dropped, patiently, refusedForNow } from './patience.ts'

const CONNECT_MS = 10_000

/** Connects and logs in with ssh2. */
export const connect = async (target: Target, options: ConnectOptions = {}): Promise<Ssh2Link> => {
  refuseProxyCommand(target)
  const credentials = await credentialsOf(target)
  const known = await readKnownHosts(target.knownHosts, options.log)
  // A connection through a bastion waits for the connection to the bastion, which needs a place in the semaphore itself.
  const limit = target.jump.length > 0 ? unlimited : undefined
  return await patiently(target, options, () => attempt(target, credentials, known, options), limit)
}

/** Throws a `Problem` if ssh's configuration reaches the target through a ProxyCommand. */
export const refuseProxyCommand = ({ name, sshNeeds }: Target): void => {
  const proxy = sshNeeds?.find((need) => need.startsWith('ProxyCommand '))
  if (proxy === undefined) return
  throw new Problem({
    class: 'input',
    where: { host: name },
    what: 'ProxyCommand is not possible with transport ssh2',
    why: `your SSH configuration sets ${proxy}`,
    fix: 'set transport: openssh, or use ProxyJump instead',
  })
}

const unlimited = <T>(work: () => Promise<T>): Promise<T> => work()

const attempt = async (
  target: Target,
  credentials: readonly Credential[],
  known: readonly KnownHost[],
  options: ConnectOptions,
): Promise<Ssh2Link | Dropped> => {
  const transport = await reach(target, options).catch(refusedForNow)
  if ('dropped' in transport) return transport
  const name = knownName(target)
  const verify = async (key: Buffer): Promise<Problem | undefined> => {
    const presented = presentedKey(key)
    const verdict = statusOfKey(known, name, presented)
    const refusal = refusalOf(target, verdict, presented)
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
  // Waits until the end is sent, and not until the host has ended its side too, which costs a round trip.
  const close = async (): Promise<void> => {
    client.end()
    const forced = setTimeout(() => transport.stream.destroy(), 2_000).unref()
    gone.then(() => clearTimeout(forced))
    await Promise.race([gone, finished(transport.stream, { readable: false }).catch(() => {})])
  }
  return {
    ...{ client, gone, loginKeys, close },
    run: (command) => runOverSsh2(client, target, command),
    destroy: () => void client.destroy(),
  }
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
