import { isAbsolute, join } from 'node:path'
import type { Connection } from '../../host/target/connection.ts'
import { isSecret, type Secret } from '../../secret/secret.ts'
import { entryOf, type SourceMap, type SourceNode } from '../source/source-map.ts'

/** Defaults for paths and omitted settings: the project and the user who runs provision. */
export interface ConnectionDefaults {
  readonly root: string
  readonly home: string
  readonly user: string
}

/** Returns the connection of a host from its merged, valid settings. */
export const connectionOf = (name: string, where: SourceMap, vars: SourceMap, { root, home, user }: ConnectionDefaults): Connection => {
  const path = (text: string): string => (text.startsWith('~/') ? join(home, text.slice(2)) : isAbsolute(text) ? text : join(root, text))
  const address = textAt(where, 'address')
  const sudo = secretAt(vars, 'sudo_password')
  if (address === LOCAL) return { ...THIS_MACHINE, user, ...(sudo === undefined ? {} : { sudoPassword: sudo }) }
  const passphrase = secretAt(vars, 'passphrase')
  const knownHosts = textsAt(vars, 'known_hosts')
  const port = entryOf(vars, 'port')?.node
  const transport = TRANSPORTS.find((one) => one === textAt(vars, 'transport'))
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
    ...(sudo === undefined ? {} : { sudoPassword: sudo }),
    ...(transport === undefined ? {} : { transport }),
    ...(address === undefined ? { viaSshConfig: true } : {}),
    written,
  }
}

/** The address that stands for this machine. */
const LOCAL = 'local'

/** The connection to this machine. Settings of SSH do not apply to it. */
const THIS_MACHINE: Omit<Connection, 'user'> = {
  ...{ address: LOCAL, port: 22, keys: [], knownHosts: [], jump: [], written: [] },
  ...{ transport: 'local', hostKeys: 'strict' },
}

const TRANSPORTS = ['auto', 'ssh2', 'openssh'] as const

const SETTINGS = [
  ['port', 'port'],
  ['user', 'user'],
  ['keys', 'keys'],
  ['known_hosts', 'knownHosts'],
  ['host_keys', 'hostKeys'],
  ['jump', 'jump'],
] as const

/** Returns a list of texts from a list or a single text. */
export const textsOf = (node: SourceNode | undefined): readonly string[] | undefined => {
  if (node?.is === 'list') return node.items.flatMap((item) => textsOf(item) ?? [])
  return node?.is === 'scalar' && typeof node.value === 'string' ? [node.value] : undefined
}

const textsAt = (map: SourceMap, key: string): readonly string[] | undefined => textsOf(entryOf(map, key)?.node)

const textAt = (map: SourceMap, key: string): string | undefined => textsAt(map, key)?.[0]

const secretAt = (map: SourceMap, key: string): Secret | undefined => {
  const node = entryOf(map, key)?.node
  return node?.is === 'scalar' && isSecret(node.value) ? node.value : undefined
}
