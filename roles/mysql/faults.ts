import { charsetFault, type HostView, type SiteContext, type SiteView } from 'provision'
import { storeHost } from './backup.ts'
import { type Members, membersOf, type Options } from './options.ts'
import { userFaults } from './users.ts'

type Faults = readonly { readonly path: readonly PropertyKey[]; readonly what: string; readonly fix: string }[]

/** Invalid options, found before any host is asked. */
export const faultsOf = ({ options: given, host, site }: SiteContext<Options>): Faults => {
  const { topology, servers, arbitrators, clients } = membersOf(given, site)
  const fault = (path: readonly PropertyKey[], what: string, fix: string) => [{ path, what, fix }]
  const isClient = clients.some(({ name }) => name === host.name)
  const isServer = servers.some(({ name }) => name === host.name)
  // `requireSameTopology` compares the topology of a client with that of the servers, and names the cause of a difference.
  const isOnlyClient = isClient && !isServer
  const isArbitrator = arbitrators.some(({ name }) => name === host.name)
  // Arbitrators are allowed in topologies that do not need them.
  const isInArbitratorGroup = site.group(given.arbitrators).some(({ name }) => name === host.name)
  const discarded = given.discard_data_of.filter((name) => !servers.some((server) => server.name === name))
  const names = (list: readonly HostView[]): string => list.map(({ name }) => name).join(', ')
  return [
    ...(isServer || isClient || isInArbitratorGroup || storeHost(given, site)?.name === host.name
      ? []
      : fault(
          ['servers'],
          `${host.name} is in none of the groups ${[given.servers, given.arbitrators, ...given.clients].join(', ')}`,
          'bind the role to these groups only, or add the host to one of them',
        )),
    ...(isServer && isArbitrator
      ? fault(['arbitrators'], `${host.name} is a database server and would have two votes`, 'choose another host as arbitrator')
      : []),
    ...(!isOnlyClient && topology === 'single' && servers.length > 1
      ? fault(
          ['topology'],
          `the topology single allows one server, and the group has ${names(servers)}`,
          'set `topology: cluster`, or leave one host in the group',
        )
      : []),
    ...(!isOnlyClient && topology === 'cluster' && servers.length < 2
      ? fault(['topology'], 'a cluster needs at least two servers', `add hosts to the group ${given.servers}`)
      : []),
    ...(topology === 'replica' && servers.length < 2
      ? fault(['topology'], 'a primary needs at least one replica', `add hosts to the group ${given.servers}`)
      : []),
    ...(!isOnlyClient && given.primary !== undefined && topology !== 'replica'
      ? fault(['primary'], `the topology ${topology} has no primary`, 'remove `primary`, or set `topology: replica`')
      : []),
    ...(given.primary !== undefined && topology === 'replica' && !servers.some(({ name }) => name === given.primary)
      ? fault(
          ['primary'],
          `${given.primary} is not a database server (group ${given.servers})`,
          `name one of ${names(servers)}, or add ${given.primary} to that group`,
        )
      : []),
    ...(!isOnlyClient && topology === 'cluster' && servers.length === 2 && arbitrators.length === 0
      ? fault(
          ['arbitrators'],
          'two servers have no majority after the loss of one: the other would stop as well',
          `add a third host, which holds no data, to the group ${given.arbitrators}, or set \`topology: replica\` and switch over by hand`,
        )
      : []),
    ...(given.buffer_pool.endsWith('%') &&
    given.memory.endsWith('%') &&
    Number.parseInt(given.buffer_pool, 10) >= Number.parseInt(given.memory, 10)
      ? fault(
          ['buffer_pool'],
          `the buffer pool (${given.buffer_pool}) leaves no memory for connections (memory: ${given.memory})`,
          'reduce `buffer_pool`, or raise `memory`',
        )
      : []),
    ...(isServer && topology !== 'cluster' && Object.keys(given.provider_options).length > 0
      ? fault(['provider_options'], `the topology ${topology} has no Galera`, 'remove `provider_options`, or set `topology: cluster`')
      : []),
    ...userFaults(given, given.flavour),
    ...(isServer && given.restore?.until !== undefined ? momentFaults(given, topology) : []),
    ...(given.flavour === 'mysql' ? mysqlFaults(given, topology) : []),
    ...storeFaults(given, site),
    ...(discarded.length > 0
      ? fault(
          ['discard_data_of'],
          `${discarded.join(', ')} is not a database server (group ${given.servers})`,
          `name only hosts among ${names(servers)}`,
        )
      : []),
  ]
}

/** Options that MySQL does not have. The schema of the options has checked them for MariaDB. */
const mysqlFaults = (given: Options, topology: Members['topology']): Faults => [
  ...(topology !== 'cluster'
    ? []
    : [
        {
          path: [given.topology === topology ? 'topology' : 'flavour'],
          what: `the flavour mysql has no topology ${topology}`,
          fix: 'set `topology: replica`, or remove `flavour`: a cluster is Galera, a part of MariaDB',
        },
      ]),
  ...given.databases.flatMap((one, i) => {
    const found = charsetFault(one, 'mysql')
    return found === undefined ? [] : [{ path: ['databases', i, 'collation'], what: `${one.collation} ${found.message}`, fix: found.fix }]
  }),
]

/** Missing requirements of a restore of a moment: the binary log of the server that makes the backups, which accepts writes. */
const momentFaults = ({ backups, flavour }: Options, topology: Members['topology']): Faults => {
  const fault = (what: string, fix: string) => [{ path: ['restore', 'until'], what, fix }]
  const whole = 'remove `until`, to restore the data of the backup'
  if (flavour === 'mysql') return fault('with MySQL, only the data of a backup can be restored', whole)
  if (topology === 'replica') return fault('backups are made on a replica, whose binary log is not that of the primary', whole)
  return backups === undefined ? fault('there are no backups', 'set `recipients` under mysql.backups, or remove `until`') : []
}

const storeFaults = ({ backups, arbitrators, servers }: Options, site: SiteView): Faults => {
  if (backups === undefined || backups.store === 'here') return []
  const group = backups.store ?? arbitrators
  const keeper = site.group(group)[0]
  // With copies outside the site, the server that makes the backups stores them too.
  if (keeper === undefined && backups.store === undefined && backups.copies.length > 0) return []
  const fault = (what: string) => [
    { path: ['backups'], what, fix: 'set `store` to a group of other hosts, or to `here` to store backups on the server itself' },
  ]
  if (keeper === undefined) return fault(`group ${group} has no host to store the backups`)
  const isServer = site.group(servers).some(({ name }) => name === keeper.name)
  return isServer ? fault(`${keeper.name} is a database server, and would be lost together with the backups`) : []
}
