import { defineRole, type HostView, type Listen } from 'provision'
import { requireSameTopology } from './agreement.ts'
import { arbitratorResources } from './arbitrator.ts'
import { backupHost, backupResources, storeHost, storeResources } from './backup.ts'
import { checksOf } from './checks.ts'
import { faultsOf } from './faults.ts'
import { membersOf, options } from './options.ts'
import { proxyResources } from './proxy.ts'
import { SEED_PORT, serverResources } from './server.ts'

/** MariaDB as a cluster, as a primary with replicas, or as a single server; or the last two with MySQL. */
export default defineRole({
  name: 'mysql',
  summary: 'MariaDB: a cluster that survives the loss of a server, over TLS; or MySQL 8.4',
  options,

  listens: ({ options: given, host, site }): readonly Listen[] => {
    const { topology, servers, arbitrators } = membersOf(given, site)
    const peers = [{ group: given.servers }]
    const arbitratorPeers = arbitrators.length > 0 ? [{ group: given.arbitrators }] : []
    const cluster = { service: 'database-cluster', port: 4567, protocol: 'tcp', encrypted: true } as const
    const isIn = (hosts: readonly HostView[]): boolean => hosts.some(({ name }) => name === host.name)
    const store = { service: 'database-store', port: given.backups?.port ?? 0, protocol: 'tcp', from: peers, encrypted: true } as const
    const stores = storeHost(given, site)?.name === host.name ? [store] : []
    if (!isIn(servers)) return [...(isIn(arbitrators) ? [{ ...cluster, from: peers }] : []), ...stores]
    const clients = given.clients.filter((group) => site.group(group).length > 0).map((group) => ({ group }))
    return [
      { service: 'database', port: 3306, protocol: 'tcp', from: [...clients, ...peers], encrypted: true },
      // Not encrypted: the response contains nothing but the health of the server.
      ...(clients.length > 0 ? [{ service: 'database-health', port: given.health_port, protocol: 'tcp', from: clients } as const] : []),
      ...(topology === 'cluster'
        ? [
            { ...cluster, from: [...peers, ...arbitratorPeers] },
            { service: 'database-incremental', port: 4568, protocol: 'tcp', from: peers, encrypted: true } as const,
            { service: 'database-copy', port: 4444, protocol: 'tcp', from: peers, encrypted: true } as const,
          ]
        : []),
      ...(topology === 'replica'
        ? [{ service: 'database-copy', port: SEED_PORT, protocol: 'tcp', from: peers, encrypted: true } as const]
        : []),
    ]
  },

  exposes: ({ options: given, host, site }) =>
    membersOf(given, site).servers.some(({ name }) => name === host.name)
      ? [{ type: 'metrics', job: 'mysql', format: 'mysqld', at: '/run/mysqld/mysqld.sock' }]
      : [],

  check: faultsOf,

  resources: (context) => {
    requireSameTopology(context)
    const { topology, servers, arbitrators, clients } = membersOf(context.options, context.site)
    const isIn = (hosts: readonly HostView[]): boolean => hosts.some(({ name }) => name === context.host.name)
    const isServer = isIn(servers)
    if (isServer && topology === 'single')
      context.warn(
        'this host is the only database server: its failure stops the database, and its loss loses all writes since the last backup',
      )
    const makesBackups = backupHost(context.options, membersOf(context.options, context.site))?.name === context.host.name
    if (isServer && context.options.backups === undefined)
      context.warn('no database backups are configured; set `recipients` under mysql.backups')
    const { store, copies = [] } = context.options.backups ?? {}
    if (makesBackups && store === 'here' && copies.length === 0)
      context.warn('database backups are stored on the database server and would be lost with it; set `store` under mysql.backups')
    return [
      ...(isServer ? serverResources(context) : []),
      ...(isIn(arbitrators) ? arbitratorResources(context) : []),
      ...(makesBackups ? backupResources(context) : []),
      ...(storeHost(context.options, context.site)?.name === context.host.name ? storeResources(context) : []),
      ...(isIn(clients) ? proxyResources(context, isServer) : []),
    ]
  },

  verify: checksOf,

  holdsOwnRows: ({ options: given, host, site }) => {
    const { topology, servers } = membersOf(given, site)
    return topology === 'replica' && servers.some(({ name }) => name === host.name)
  },
})
