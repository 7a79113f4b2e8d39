import type { HostView, ReplicatedMembers } from 'provision'

/** Servers that copy this one, if it is the primary. */
export const replicasOf = ({ servers, primary }: ReplicatedMembers, host: HostView): readonly HostView[] =>
  primary?.name === host.name ? servers.filter(({ name }) => name !== host.name) : []

/** The name of the replication slot of a replica: lower-case letters, digits and underscores. */
export const slotOf = ({ name }: Pick<HostView, 'name'>): string =>
  `provision_${name.toLowerCase().replace(/[^a-z0-9]/g, '_')}`.slice(0, 63)
