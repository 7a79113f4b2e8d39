import { defineKind } from '../kind/kind.ts'
import { applyReplication } from './apply.ts'
import { replicationForbids, replicationNotices } from './notices.ts'
import { observeReplication } from './observe.ts'
import { planReplication } from './plan.ts'
import { type ReplicationSpec, schema } from './spec.ts'

/**
 * A MariaDB server that is the primary, or follows it. Every server comes up read-only; only the primary is opened, after all others
 * are closed and it has everything that they have. A server without data gets those of the primary; one whose data are not the
 * primary's is left as it is, unless they may be lost.
 */
export const replication = defineKind({
  name: 'replication',
  schema,
  id: ({ name }) => name,
  observe: observeReplication,
  plan: planReplication,
  notices: replicationNotices,
  forbids: replicationForbids,
  orphan: { keep: 'a database server stays as it is; another topology of it changes the rest' },
  apply: applyReplication,
  // Who is to be written to first, so that the others have somebody to follow.
  sequence: ({ primary, servers }: ReplicationSpec) => [primary, ...servers.map(({ host }) => host).filter((host) => host !== primary)],
})
