import { isAbsolute, join } from 'node:path'
import type { Connection } from '../../host/target/connection.ts'
import { isSecret, type Secret } from '../../secret/secret.ts'
import { entryOf, type Written, type WrittenMap } from '../source/source-map.ts'

/** Who starts the program and where: what paths and left out settings are resolved with. */
export interface Surroundings {
  readonly root: string
  readonly home: string
  readonly user: string
}

/** How a host is reached, by its merged settings, all of them checked before. */
export const connectionOf = (name: string, where: WrittenMap, vars: WrittenMap, { root, home, user }: Surroundings): Connection => {
  const path = (written: string): string =>
    written.startsWith('~/') ? join(home, written.slice(2)) : isAbsolute(written) ? written : join(root, written)
  const address = textAt(where, 'address')
  const passphrase = secretAt(vars, 'passphrase')
  const sudoPassword = secretAt(vars, 'sudo_password')
  const knownHosts = textsAt(vars, 'known_hosts')
  const port = entryOf(vars, 'port')?.node
  const written = SETTINGS.flatMap(([key, field]) => (vars.entries.has(key) ? [field] : []))
  return {
    address: address ?? name,
    port: port?.is === 'scalar' && typeof port.value === 'number' ? port.value : 22,
    user: textAt(vars, 'user') ?? user,
    keys: (textsAt(vars, 'keys') ?? []).map(path),
    ...(passphrase === undefined ? {} : { passphrase }),
    knownHosts: knownHosts?.map(path) ?? [join(home, '.ssh/known_hosts'), '/etc/ssh/ssh_known_hosts'],
    hostKeys: textAt(vars, 'host_keys') === 'accept-new' ? 'accept-new' : 'strict',
    jump: (textsAt(vars, 'jump') ?? []).flatMap((hop) => hop.split(',').map((each) => each.trim())),
    ...(sudoPassword === undefined ? {} : { sudoPassword }),
    ...(address === undefined ? { viaSshConfig: true } : {}),
    written,
  }
}

const SETTINGS = [
  ['port', 'port'],
  ['user', 'user'],
  ['keys', 'keys'],
  ['known_hosts', 'knownHosts'],
  ['host_keys', 'hostKeys'],
  ['jump', 'jump'],
] as const

/** A list of texts, or a single one. */
export const textsOf = (node: Written | undefined): readonly string[] | undefined => {
  if (node?.is === 'list') return node.items.flatMap((item) => textsOf(item) ?? [])
  return node?.is === 'scalar' && typeof node.value === 'string' ? [node.value] : undefined
}

const textsAt = (map: WrittenMap, key: string): readonly string[] | undefined => textsOf(entryOf(map, key)?.node)

const textAt = (map: WrittenMap, key: string): string | undefined => textsAt(map, key)?.[0]

const secretAt = (map: WrittenMap, key: string): Secret | undefined => {
  const node = entryOf(map, key)?.node
  return node?.is === 'scalar' && isSecret(node.value) ? node.value : undefined
}
