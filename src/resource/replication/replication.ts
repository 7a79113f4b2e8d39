import { defineKind } from '../kind/kind.ts'
import { applyReplication } from './apply.ts'
import { replicationForbids, replicationNotices } from './notices.ts'
import { observeReplication } from './observe.ts'
import { planReplication } from './plan.ts'
import { type ReplicationSpec, schema } from './spec.ts'

/**
 * A server with MariaDB or MySQL, as primary or replica. Every server starts read-only. The primary becomes writable after all others are read-only and
 * it has all their data. A server without data copies that of the primary. Data from another history is kept, unless it may be lost.
 */
export const replication = defineKind({
  name: 'replication',
  summary: 'primary or replica of MariaDB or MySQL',
  schema,
  id: ({ name }) => name,
  observe: observeReplication,
  plan: planReplication,
  notices: replicationNotices,
  forbids: replicationForbids,
  shared: true,
  orphan: { keep: 'database servers are never stopped automatically; declare another topology to change it' },
  apply: applyReplication,
  // The primary first, so that the replicas have a source.
  sequence: ({ primary, servers }: ReplicationSpec) => [primary, ...servers.map(({ host }) => host).filter((host) => host !== primary)],
})
