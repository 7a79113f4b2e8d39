import { Problem } from '../../problem.ts'
import { keyOf, type Resource } from '../../resource/kind/kind.ts'
import { calling } from '../failure.ts'
import type { Observation } from '../observe/host-query.ts'
import type { PlannedChange } from '../plan/plan.ts'
import { statesOf } from '../plan/plan-host.ts'
import type { RunHost } from '../run-state.ts'

/** Orders the hosts of a play that share a resource, so that they change it one after the other in the order that its kind defines. */
export interface Sequencer {
  /**
   * Waits until every host before this one has finished these changes or was released. `waiting` is called with each host that it waits
   * for, and the resource. Throws a `Problem` if one was lost during them, or if its service refused them.
   */
  waitForTurn(
    host: string,
    batch: readonly { readonly change: PlannedChange }[],
    waiting?: (before: string, resource: string) => void,
  ): Promise<void>
  finish(host: string, batch: readonly { readonly change: PlannedChange }[]): void
  /** The service of this host refused these changes; no host behind it makes them. */
  refuse(host: string, batch: readonly { readonly change: PlannedChange }[]): void
  /** Releases the hosts queued behind this one. A host that was lost may still be executing a change that it began. */
  release(host: string, isLost: boolean): void
}

/** The end of a host's turn: the change has certainly ended, its service refused it, or the host was lost while it changed the resource. */
type Outcome = 'over' | 'refused' | 'lost'

/** A promise for which later hosts wait. */
interface Gate extends PromiseWithResolvers<Outcome> {
  /** The host's turn has begun. */
  isOpen: boolean
  /** The host's turn has ended, or it was released. */
  isOver: boolean
}

/** The sequencer of one play. Its queues are complete before the first change: the hosts with a pending change of the same resource. */
export const sequencerOf = (hosts: readonly RunHost[], play: number, observations: ReadonlyMap<string, Observation>): Sequencer => {
  const queues = new Map<string, Map<string, Gate>>()
  const names = new Map<string, string>()
  const nameOf = (key: string): string => names.get(key) ?? key
  for (const { session, pending } of hosts)
    for (const one of pending.filter((pending) => pending.play === play)) {
      const kind = one.resource.kind
      if (kind.sequence === undefined) continue
      const key = kind.queue ?? keyOf(one.resource)
      names.set(keyOf(one.resource), key)
      const queue = queues.get(key) ?? new Map<string, Gate>()
      queues.set(key, queue.set(session.host, { ...Promise.withResolvers<Outcome>(), isOpen: false, isOver: false }))
    }
  // Without an order, no host may change the resource.
  const unordered = new Map<string, unknown>()
  const orderOf = (resource: Resource): readonly string[] | undefined => {
    const key = keyOf(resource)
    try {
      return calling({ call: `order of kind ${resource.kind.name}`, resource: key }, () =>
        resource.kind.sequence?.(resource.spec, statesOf(observations, key)),
      )
    } catch (error) {
      unordered.set(key, error)
      return undefined
    }
  }
  for (const { pending } of hosts)
    for (const { resource } of pending) {
      const key = nameOf(keyOf(resource))
      const queue = queues.get(key)
      const order = queue === undefined ? undefined : orderOf(resource)
      if (queue !== undefined && order !== undefined) queues.set(key, ordered(queue, order))
    }
  const waitFor = async (host: string, key: string, waiting: (before: string, resource: string) => void): Promise<void> => {
    if (unordered.has(key)) throw unordered.get(key)
    for (const [before, gate] of queues.get(nameOf(key)) ?? []) {
      if (before === host) gate.isOpen = true
      if (before === host) return
      if (!gate.isOver) waiting(before, key)
      const outcome = await gate.promise
      if (outcome !== 'over') throw (outcome === 'lost' ? lostPredecessor : refusedBefore)(before, host, key)
    }
  }
  const resolve = (host: string, batch: readonly { readonly change: PlannedChange }[], outcome: Outcome): void => {
    for (const { change } of batch) end(queues.get(nameOf(change.resource))?.get(host), outcome)
  }
  return {
    waitForTurn: async (host, batch, waiting = () => {}) => {
      for (const { change } of batch) await waitFor(host, change.resource, waiting)
    },
    finish: (host, batch) => resolve(host, batch, 'over'),
    refuse: (host, batch) => resolve(host, batch, 'refused'),
    release: (host, isLost) => {
      for (const queue of queues.values()) {
        const gate = queue.get(host)
        end(gate, isLost && gate?.isOpen ? 'lost' : 'over')
      }
    },
  }
}

const end = (gate: Gate | undefined, outcome: Outcome): void => {
  if (gate === undefined) return
  gate.isOver = true
  gate.resolve(outcome)
}

const ordered = <T>(queue: ReadonlyMap<string, T>, order: readonly string[]): Map<string, T> =>
  new Map([...queue].sort(([a], [b]) => order.indexOf(a) - order.indexOf(b)))

const lostPredecessor = (before: string, host: string, key: string): Problem =>
  new Problem({
    class: 'task',
    where: { host, resource: key },
    what: `resource was skipped because the connection to ${before} was lost while ${before} changed it`,
    why: `${before} may still be executing the change, and only one host at a time may be unavailable`,
    fix: `make ${before} reachable, then run again`,
  })

const refusedBefore = (before: string, host: string, key: string): Problem =>
  new Problem({
    class: 'task',
    where: { host, resource: key },
    what: `resource was skipped because the service of ${before} refused the same change`,
    why: 'this host would refuse it too, and would be out of service meanwhile',
    fix: `correct what ${before} reports, then run again`,
  })
