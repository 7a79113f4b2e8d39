import type { HostView, SiteView } from '../role.ts'

/** Options of a role with a primary server, its replicas, and clients. */
export interface ReplicatedOptions {
  /** Group of the servers. */
  readonly servers: string
  /** Host that accepts writes; default: the first server. */
  readonly primary?: string | undefined
  /** Groups of the hosts whose applications may connect. */
  readonly clients: readonly string[]
}

/** Hosts of such a role. The primary is undefined if the option names no server. */
export interface ReplicatedMembers {
  readonly servers: readonly HostView[]
  readonly primary: HostView | undefined
  readonly clients: readonly HostView[]
}

/** Returns the hosts of a role with a primary server, by their function. */
export const replicatedMembers = ({ primary, ...groups }: ReplicatedOptions, site: SiteView): ReplicatedMembers => {
  const servers = site.group(groups.servers)
  return {
    servers,
    primary: primary === undefined ? servers[0] : servers.find(({ name }) => name === primary),
    clients: site.hosts.filter((host) => groups.clients.some((group) => host.groups.includes(group))),
  }
}

/** Returns whether a host is one of the servers. */
export const isReplicatedServer = ({ servers }: Pick<ReplicatedOptions, 'servers'>, site: SiteView, host: HostView): boolean =>
  site.group(servers).some(({ name }) => name === host.name)
