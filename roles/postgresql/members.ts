import type { HostView, SiteView } from 'provision'
import type { Options } from './options.ts'

/** The servers, and the one that accepts writes; undefined if the option names none of them. */
export interface Members {
  readonly servers: readonly HostView[]
  readonly primary: HostView | undefined
}

export const membersOf = (given: Options, site: SiteView): Members => {
  const servers = site.group(given.servers)
  return {
    servers,
    primary: given.primary === undefined ? servers[0] : servers.find(({ name }) => name === given.primary),
  }
}

/** Hosts with applications. */
export const clientsOf = ({ clients }: Options, site: SiteView): readonly HostView[] =>
  site.hosts.filter(({ groups }) => clients.some((group) => groups.includes(group)))

export const isServer = (given: Options, site: SiteView, host: HostView): boolean =>
  site.group(given.servers).some(({ name }) => name === host.name)

/** Servers that copy this one, if it is the primary. */
export const replicasOf = ({ servers, primary }: Members, host: HostView): readonly HostView[] =>
  primary?.name === host.name ? servers.filter(({ name }) => name !== host.name) : []

/** The name of the replication slot of a replica: lower-case letters, digits and underscores. */
export const slotOf = ({ name }: Pick<HostView, 'name'>): string =>
  `provision_${name.toLowerCase().replace(/[^a-z0-9]/g, '_')}`.slice(0, 63)
