import { fingerprint, type HostKeyStatus, knownName, statusOfKey, typeOf } from '../known-hosts/known-hosts.ts'
import { readKnownHosts } from '../known-hosts/known-hosts-file.ts'
import type { Target } from '../target/connection.ts'
import { unreachable } from '../target/problems.ts'
import { HOST_KEY_TYPES, type HostKeyType, only } from './algorithms.ts'
import { type ConnectOptions, reach } from './connect.ts'
import { handshake } from './handshake.ts'

/** A host key that a host presents. */
export interface HostKey {
  readonly type: string
  /** `SHA256:…`, as `ssh-keygen -l` prints it. */
  readonly fingerprint: string
  /** The line for known_hosts. */
  readonly line: string
  /** In SSH's wire format. */
  readonly key: Buffer
  /** Its status by the known_hosts files. */
  readonly verdict: HostKeyStatus
}

// One connection per type. The three ECDSA curves share one, because a server has only one of them.
const TYPE_GROUPS: readonly (readonly HostKeyType[])[] = [
  ['ssh-ed25519'],
  HOST_KEY_TYPES.filter((type) => type.startsWith('ecdsa-')),
  ['ssh-rsa'],
]

/** All host keys of a host, known or not. Needs no login. */
export const fetchHostKeys = async (target: Target, options: ConnectOptions = {}): Promise<readonly HostKey[]> => {
  const known = await readKnownHosts(target.knownHosts, options.log)
  const name = knownName(target)
  const results = await Promise.allSettled(TYPE_GROUPS.map((types) => keyOf(target, types, options)))
  const keys = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  const failed = results.find((result) => result.status === 'rejected')
  if (keys.length === 0) throw failed?.reason
  return keys.map((key) => {
    const type = typeOf(key) ?? ''
    const line = `${name} ${type} ${key.toString('base64')}`
    return { type, fingerprint: fingerprint(key), line, key, verdict: statusOfKey(known, name, key) }
  })
}

// The host presents its key in the key exchange, before login. Refusing it ends the connection.
const keyOf = async (target: Target, types: readonly HostKeyType[], options: ConnectOptions): Promise<Buffer> => {
  const transport = await reach(target, options)
  let presented: Buffer | undefined
  const verify = async (key: Buffer) => {
    presented = Buffer.from(key)
    return unreachable(target.name, { what: 'only the host key was requested', fix: 'connect' })
  }
  try {
    const outcome = await handshake(target, transport.stream, { algorithms: only(types), credentials: [], verify, ...options })
    if ('dropped' in outcome) throw outcome.dropped
    throw new Error('logged in without a key')
  } catch (error) {
    if (presented) return presented
    throw error
  } finally {
    transport.stream.destroy()
    await transport.release()
  }
}
