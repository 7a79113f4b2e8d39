import { HOST_KEY_TYPES, type HostKeyType, only } from '../target/algorithms.ts'
import type { Target } from '../target/connection.ts'
import type { ConnectOptions } from '../target/link.ts'
import { unreachable } from '../target/problems.ts'
import { reach } from './connect.ts'
import { handshake } from './handshake.ts'

// One connection per type. The three ECDSA curves share one, because a server has only one of them.
export const TYPE_GROUPS: readonly (readonly HostKeyType[])[] = [
  ['ssh-ed25519'],
  HOST_KEY_TYPES.filter((type) => type.startsWith('ecdsa-')),
  ['ssh-rsa'],
]

/** All host keys that a host presents, in SSH's wire format. Needs no login. */
export const presentedKeys = async (target: Target, options: ConnectOptions = {}): Promise<readonly Buffer[]> => {
  const results = await Promise.allSettled(TYPE_GROUPS.map((types) => keyOf(target, types, options)))
  const keys = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  if (keys.length === 0) throw results.find((result) => result.status === 'rejected')?.reason
  return keys
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
