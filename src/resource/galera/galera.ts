import { defineKind } from '../kind/kind.ts'
import { applyGalera } from './apply.ts'
import { type GaleraState, observeGalera } from './observe.ts'
import { byOwnData, planArbitrator, planServer } from './plan.ts'
import { type GaleraSpec, schema } from './spec.ts'

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
