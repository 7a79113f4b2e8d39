import { defineKind } from '../kind/kind.ts'
import { applyGalera } from './apply.ts'
import { observeGalera, UNITS } from './observe.ts'
import { byOwnData, planMember } from './plan.ts'
import { schema } from './spec.ts'

/**
 * A member of a Galera cluster: a server or an arbitrator. If no member runs, the server with the newest data bootstraps the cluster and
 * the others join. Members change one at a time, each after the previous one is synced.
 */
export const galera = defineKind({
  name: 'galera',
  summary: 'member of a Galera cluster: a server or an arbitrator',
  schema,
  id: ({ cluster }) => cluster,
  observe: observeGalera,
  plan: planMember,
  orphan: { keep: 'database servers are never stopped automatically; declare another topology to change it', stopsRecorded: true },
  // An arbitrator has no data, and stops if no role declares it any more.
  recorded: ({ me, arbitrators }) => (arbitrators.includes(me) ? [UNITS.arbitrator] : []),
  apply: applyGalera,
  // Stopped members come first: no other may stop before they run.
  sequence: (spec, members) => {
    const servers = byOwnData(spec, members)
    const runs = (host: string): boolean => members.get(host)?.status !== undefined
    return [...servers.filter((host) => !runs(host)), ...servers.filter(runs), ...spec.arbitrators]
  },
})
