import { type Facts, type HostView, type ReplicatedMembers, type Text, text } from 'provision'
import { passwordOf } from './accounts.ts'
import type { Options } from './options.ts'

const DIRECTORY = '/etc/provision-redis'
export const PATHS = {
  directory: DIRECTORY,
  config: `${DIRECTORY}/redis.conf`,
  accounts: `${DIRECTORY}/users.acl`,
  administrator: `${DIRECTORY}/administrator`,
  exporter: `${DIRECTORY}/exporter.env`,
  pair: `${DIRECTORY}/server.pem`,
  trusted: `${DIRECTORY}/authority.pem`,
  data: '/var/lib/provision-redis',
  runtime: '/run/provision-redis',
  socket: '/run/provision-redis/redis.sock',
} as const

/** The limit of the data in bytes. */
export const memoryBytes = ({ memory }: Options, { memoryMB }: Pick<Facts, 'memoryMB'>): number => {
  if (memory.endsWith('%')) return Math.floor((memoryMB * Number.parseInt(memory, 10)) / 100) * 2 ** 20
  return Number.parseInt(memory, 10) * 2 ** ({ K: 10, M: 20, G: 30 }[memory.at(-1) ?? ''] ?? 0)
}

/** Snapshots after one change in an hour, 100 in five minutes, or 10,000 in a minute. */
const SNAPSHOTS = 'save 3600 1\nsave 300 100\nsave 60 10000\n'

export interface Server {
  readonly options: Options
  readonly members: ReplicatedMembers
  readonly host: HostView
  readonly facts: Pick<Facts, 'memoryMB'>
}

/** Content of the configuration. It has the password for replication. */
export const serverConfig = ({ options: given, members: { servers, primary }, host, facts }: Server): Text => {
  const follows =
    primary === undefined || primary.name === host.name ? '' : `replicaof ${primary.addresses[0] ?? primary.name} ${given.port}\n`
  const replication =
    servers.length < 2 ? text`` : text`masteruser provision-replica\nmasterauth ${passwordOf('provision-replica', given)}\n${follows}`
  return text`# Written by provision.
bind 127.0.0.1 ${host.addresses.join(' ')}
port 0
tls-port ${given.port}
tls-cert-file ${PATHS.pair}
tls-key-file ${PATHS.pair}.key
tls-ca-cert-file ${PATHS.trusted}
tls-protocols "TLSv1.2 TLSv1.3"
tls-auth-clients no
tls-replication yes
unixsocket ${PATHS.socket}
unixsocketperm 770
protected-mode no
tcp-keepalive 60
supervised systemd
daemonize no
logfile ""
dir ${PATHS.data}
aclfile ${PATHS.accounts}
maxmemory ${memoryBytes(given, facts)}
maxmemory-policy ${given.eviction}
appendonly ${given.persistence === 'append' ? 'yes' : 'no'}
appendfsync everysec
${given.persistence === 'snapshots' ? SNAPSHOTS : 'save ""\n'}${replication}`
}
