import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { authoritiesFor, knownName, knownTypes, presentedKey, statusOfKey } from '../known-hosts/known-hosts.ts'
import { readAuthorities, readKnownHosts, storeHostKeys } from '../known-hosts/known-hosts-file.ts'
import { type Dropped, patiently } from '../ssh/patience.ts'
import { TYPE_GROUPS } from '../ssh/trust.ts'
import { only } from '../target/algorithms.ts'
import type { Target } from '../target/connection.ts'
import type { ConnectOptions } from '../target/link.ts'
import type { SshOptions, Via } from './arguments.ts'
import { attemptSsh, viaOf } from './attempt.ts'
import { scratch } from './scratch.ts'

/** All host keys that a host presents, in SSH's wire format. Needs no login. */
export const allPresentedKeys = async (target: Target, options: ConnectOptions = {}): Promise<readonly Buffer[]> => {
  const via = await viaOf(target)
  const asked = TYPE_GROUPS.map((types) => presentedKeys(target, via, (only(types).serverHostKey ?? []) as readonly string[], options))
  const results = await Promise.allSettled(asked)
  const keys = results.flatMap((result) => (result.status === 'fulfilled' ? result.value : []))
  if (keys.length === 0) throw results.find((result) => result.status === 'rejected')?.reason
  return keys
}

/** Stores the key of a host without a line in known_hosts. ssh itself neither creates the directory nor locks the file against other connections. */
export const acceptKey = async (target: Target, via: Via | undefined, options: ConnectOptions): Promise<void> => {
  const name = knownName(target)
  const [known, authorities] = await Promise.all([readKnownHosts(target.knownHosts), readAuthorities(target.knownHosts)])
  if (knownTypes(known, name).length > 0 || authoritiesFor(authorities, name).length > 0) return
  const keys = await presentedKeys(target, via, [], options)
  const isNew = (key: Buffer): boolean => statusOfKey(known, name, presentedKey(key)).status === 'unknown'
  await storeHostKeys(target, keys.filter(isNew))
}

/** The host keys that a host presents to a connection without login, of these algorithms (ssh's HostKeyAlgorithms), or its first one. */
const presentedKeys = async (
  target: Target,
  via: Via | undefined,
  algorithms: readonly string[],
  options: ConnectOptions,
): Promise<readonly Buffer[]> => {
  const file = join(await scratch(), `keys-${randomBytes(6).toString('hex')}`)
  const more = [
    '-o',
    'PreferredAuthentications=none',
    ...(algorithms.length === 0 ? [] : ['-o', `HostKeyAlgorithms=${algorithms.join(',')}`]),
  ]
  const ssh: SshOptions = { knownHosts: file, acceptsKey: true, fresh: true, more }
  const attempt = async (): Promise<Dropped | { readonly keys: readonly Buffer[] }> => {
    const result = await attemptSsh(target, { via, command: 'true', ssh }, options).catch((error: unknown) => ({ error }))
    // A host that needs no login runs the command, and may never end it.
    if ('process' in result) result.process.kill()
    const keys = (await readKnownHosts([file])).map(({ key }) => Buffer.from(key, 'base64'))
    if (keys.length > 0) return { keys }
    if ('error' in result) throw result.error
    return 'dropped' in result ? result : { keys }
  }
  return (await patiently(target, options, attempt)).keys
}
