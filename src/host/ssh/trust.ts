import { fingerprint, judge, knownName, typeOf, type Verdict } from '../known-hosts/known-hosts.ts'
import { readKnownHosts } from '../known-hosts/known-hosts-file.ts'
import type { Target } from '../target/connection.ts'
import { unreachable } from '../target/problems.ts'
import { HOST_KEY_TYPES, type HostKeyType, only } from './algorithms.ts'
import { type ConnectOptions, reach } from './connect.ts'
import { handshake } from './handshake.ts'

/** A key that a host shows. */
export interface HostKey {
  readonly type: string
  /** `SHA256:…`, as `ssh-keygen -l` prints it. */
  readonly fingerprint: string
  /** The line for known_hosts. */
  readonly line: string
  /** In SSH's wire format. */
  readonly key: Buffer
  /** What known_hosts says of it now. */
  readonly verdict: Verdict
}

// One question a type: an ECDSA server key has one of three curves.
const QUESTIONS: readonly (readonly HostKeyType[])[] = [
  ['ssh-ed25519'],
  HOST_KEY_TYPES.filter((type) => type.startsWith('ecdsa-')),
  ['ssh-rsa'],
]

/** All keys that a host shows, whether known or not; nobody logs in for it. */
export const fetchHostKeys = async (target: Target, options: ConnectOptions = {}): Promise<readonly HostKey[]> => {
  const known = await readKnownHosts(target.knownHosts, options.log)
  const name = knownName(target)
  const results = await Promise.allSettled(QUESTIONS.map((types) => keyOf(target, types, options)))
  const keys = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  const failed = results.find((result) => result.status === 'rejected')
  if (keys.length === 0) throw failed?.reason
  return keys.map((key) => {
    const type = typeOf(key) ?? ''
    const line = `${name} ${type} ${key.toString('base64')}`
    return { type, fingerprint: fingerprint(key), line, key, verdict: judge(known, name, key) }
  })
}

// The host's key is seen before anything else is agreed; then we hang up.
const keyOf = async (target: Target, types: readonly HostKeyType[], options: ConnectOptions): Promise<Buffer> => {
  const way = await reach(target, options)
  let seen: Buffer | undefined
  const verify = async (key: Buffer) => {
    seen = Buffer.from(key)
    return unreachable(target.name, { what: 'only its key was asked for', fix: 'connect' })
  }
  try {
    const outcome = await handshake(target, way.stream, { algorithms: only(types), credentials: [], verify, ...options })
    if ('dropped' in outcome) throw outcome.dropped
    throw new Error('logged in without a key')
  } catch (error) {
    if (seen) return seen
    throw error
  } finally {
    way.stream.destroy()
    await way.release()
  }
}
