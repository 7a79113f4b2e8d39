import type { HostView, SiteContext, SiteView } from 'provision'
import { storeHost } from './backup.ts'
import { castOf, type Options } from './options.ts'

type Faults = readonly { readonly path: readonly PropertyKey[]; readonly what: string; readonly fix: string }[]

/** What cannot be, before any host is asked. */
export const faultsOf = ({ options: given, host, site }: SiteContext<Options>): Faults => {
  const { topology, servers, arbitrators, clients } = castOf(given, site)
  const fault = (path: readonly PropertyKey[], what: string, fix: string) => [{ path, what, fix }]
  if (given.flavour === 'mysql')
    return fault(['flavour'], 'Oracle MySQL is not supported yet', 'leave it out: Debian has MariaDB, which speaks the same protocol')
  const isClient = clients.some(({ name }) => name === host.name)
  const isServer = servers.some(({ name }) => name === host.name)
  // What it makes of the topology is compared with what the servers do, and said with all of the cause.
  const isOnlyClient = isClient && !isServer
  const isArbitrator = arbitrators.some(({ name }) => name === host.name)
  // A voice that another topology than a cluster does not need is no fault.
  const isVoice = site.group(given.arbitrators).some(({ name }) => name === host.name)
  const discarded = given.discard_data_of.filter((name) => !servers.some((server) => server.name === name))
  const names = (list: readonly HostView[]): string => list.map(({ name }) => name).join(', ')
  return [
    ...(isServer || isClient || isVoice || storeHost(given, site)?.name === host.name
      ? []
      : fault(
          ['servers'],
          `${host.name} is in none of the groups ${[given.servers, given.arbitrators, ...given.clients].join(', ')}`,
          'bind the role to these groups',
        )),
    ...(isServer && isArbitrator
      ? fault(['arbitrators'], `${host.name} is a server already, and would have two voices`, 'choose another host as arbitrator')
      : []),
    ...(!isOnlyClient && topology === 'single' && servers.length > 1
      ? fault(['topology'], `a single server cannot be on ${names(servers)} at once`, 'use cluster, or leave one host in the group')
      : []),
    ...(!isOnlyClient && topology === 'cluster' && servers.length < 2
      ? fault(['topology'], 'a cluster needs at least two servers', `put more hosts into the group ${given.servers}`)
      : []),
    ...(topology === 'replica' && servers.length < 2
      ? fault(['topology'], 'a primary needs at least one replica', `put more hosts into the group ${given.servers}`)
      : []),
    ...(!isOnlyClient && given.primary !== undefined && topology !== 'replica'
      ? fault(
          ['primary'],
          `no server of a ${topology === 'cluster' ? 'cluster' : 'single server'} is the primary`,
          'leave it out, or use the topology replica',
        )
      : []),
    ...(given.primary !== undefined && topology === 'replica' && !servers.some(({ name }) => name === given.primary)
      ? fault(
          ['primary'],
          `${given.primary} is none of the servers of the database (group ${given.servers})`,
          `name one of ${names(servers)}, or put ${given.primary} into that group`,
        )
      : []),
    ...(!isOnlyClient && topology === 'cluster' && servers.length === 2 && arbitrators.length === 0
      ? fault(
          ['arbitrators'],
          'two servers alone have no majority when one of them is lost: the other one would stop as well',
          `put a third host into the group ${given.arbitrators}; it holds no data; or use the topology replica, in which you say who takes over`,
        )
      : []),
    ...(given.buffer_pool.endsWith('%') &&
    given.memory.endsWith('%') &&
    Number.parseInt(given.buffer_pool, 10) >= Number.parseInt(given.memory, 10)
      ? fault(
          ['buffer_pool'],
          `the buffer pool (${given.buffer_pool}) is as large as all that the server may take (memory: ${given.memory})`,
          'leave room for connections: make it smaller, or memory larger',
        )
      : []),
    ...storeFaults(given, site),
    ...(discarded.length > 0
      ? fault(
          ['discard_data_of'],
          `${discarded.join(', ')} is none of the servers of the database (group ${given.servers})`,
          `name some of ${names(servers)}`,
        )
      : []),
  ]
}

const storeFaults = ({ backups, arbitrators, servers }: Options, site: SiteView): Faults => {
  if (backups === undefined || backups.store === 'here') return []
  const group = backups.store ?? arbitrators
  const keeper = site.group(group)[0]
  const fault = (what: string) => [{ path: ['backups'], what, fix: 'name a group in store, or `here` to keep them on the server itself' }]
  if (keeper === undefined) return fault(`no host is in the group ${group} to keep the backups`)
  const isServer = site.group(servers).some(({ name }) => name === keeper.name)
  return isServer ? fault(`${keeper.name} holds the data itself, and would be lost together with the backups`) : []
}
