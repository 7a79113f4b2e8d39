import { z } from 'zod'
import { defineKind } from '../kind/kind.ts'
import { serviceOption } from '../service/service.ts'
import { applyReplication } from './apply.ts'
import { replicationForbids, replicationNotices } from './notices.ts'
import { observeReplication } from './observe.ts'
import { planReplication } from './plan.ts'

const hostName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9.-]{0,62}$/, 'must be the name of a host')

const server = z.strictObject({
  host: hostName,
  /** Where the others find it. */
  address: z.string().regex(/^[0-9A-Fa-f.:]+$/, 'must be an IP address'),
  /** The common name of its certificate. */
  certificate: z.string().regex(/^[A-Za-z0-9.-]{1,255}$/),
})

const schema = z
  .strictObject({
    /** Names the servers that replicate one another. */
    name: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,31}$/, 'must be a short word'),
    me: z.string(),
    /** The host whose server is written to. All others follow it, and take no writes. */
    primary: z.string(),
    servers: z.array(server).min(2),
    /** The pair (with its key beside it) and what trusts the others', on each server. */
    pair: z.string(),
    trusted: z.string(),
    /** Where a server that gets all data listens meanwhile. */
    seedPort: z.int().min(1024).max(65535),
    /** What opens the primary when it was restarted; it is stopped before another one takes over. */
    opener: z.string(),
    service: serviceOption,
  })
  .refine(
    ({ me, primary, servers }) => [me, primary].every((host) => servers.some((one) => one.host === host)),
    'must be among the servers',
  )

export type ReplicationSpec = z.output<typeof schema>
export type Server = ReplicationSpec['servers'][number]

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
