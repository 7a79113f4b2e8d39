import { fingerprint, type HostKeyStatus, knownName, presentedKey, statusOfKey, typeOf } from '../known-hosts/known-hosts.ts'
import { readKnownHosts } from '../known-hosts/known-hosts-file.ts'
import { allPresentedKeys } from '../openssh/host-keys.ts'
import { presentedKeys } from '../ssh/trust.ts'
import type { Target } from '../target/connection.ts'
import type { ConnectOptions } from '../target/link.ts'
import { byTransport } from './connect.ts'

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

/** All host keys of a host, known or not. Needs no login. This machine presents none. */
export const fetchHostKeys = async (target: Target, options: ConnectOptions = {}): Promise<readonly HostKey[]> => {
  if (target.transport === 'local') return []
  const known = await readKnownHosts(target.knownHosts, options.log)
  const name = knownName(target)
  const keys = await byTransport(
    target,
    options,
    () => presentedKeys(target, options),
    () => allPresentedKeys(target, options),
  )
  return keys.map((key) => {
    const type = typeOf(key) ?? ''
    const line = `${name} ${type} ${key.toString('base64')}`
    return { type, fingerprint: fingerprint(key), line, key, verdict: statusOfKey(known, name, presentedKey(key)) }
  })
}
