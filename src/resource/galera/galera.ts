import { z } from 'zod'
import { defineKind } from '../kind/kind.ts'
import { serviceOption } from '../service/service.ts'
import { applyGalera } from './apply.ts'
import { type GaleraState, observeGalera } from './observe.ts'
import { byOwnData, planArbitrator, planServer } from './plan.ts'

const schema = z
  .strictObject({
    cluster: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,31}$/, 'must be a short word'),
    me: z.string(),
    /** The hosts that hold data, in the order in which they are changed. */
    servers: z.array(z.string()).min(1),
    /** Hosts without data whose voice makes a majority. */
    arbitrators: z.array(z.string()).default([]),
    /** The unit that is a member here, with all that it loads. */
    service: serviceOption,
    /** Hosts whose own data, of another cluster or of none, may be replaced by the cluster's. */
    discardDataOf: z.array(z.string()).default([]),
  })
  .refine(({ me, servers, arbitrators }) => [...servers, ...arbitrators].includes(me), 'a member must be among the servers or arbitrators')

export type GaleraSpec = z.output<typeof schema>

/**
 * A service that is a member of a Galera cluster: a server, or an arbitrator. The first member that is to run begins the cluster where
 * nobody runs: the one that knows most. All others join. One member at a time is changed, and the next only when that one is synced.
 */
export const galera = defineKind({
  name: 'galera',
  schema,
  id: ({ cluster }) => cluster,
  observe: observeGalera,
  plan: (spec: GaleraSpec, state: GaleraState, context) =>
    spec.arbitrators.includes(spec.me) ? planArbitrator(spec, state, context) : planServer(spec, state, context),
  orphan: { keep: 'a database server stays as it is; another topology of it changes the rest' },
  apply: applyGalera,
  // Who is away comes back first: before it has, no other may be taken down.
  sequence: (spec, members) => {
    const servers = byOwnData(spec, members)
    const runs = (host: string): boolean => members.get(host)?.status !== undefined
    return [...servers.filter((host) => !runs(host)), ...servers.filter(runs), ...spec.arbitrators]
  },
})
