import { Problem } from '../../problem.ts'
import { keyOf } from '../../resource/kind/kind.ts'
import type { Observation } from '../observe/host-query.ts'
import type { PlannedChange } from '../plan/plan.ts'
import { statesOf } from '../plan/plan-host.ts'
import type { RunHost } from '../run-state.ts'

/** Lets the hosts of a play that change one resource together do so one after the other, in the order that its kind says. */
export interface Sequencer {
  /** Waits until every host before this one has made these changes, or has left. Throws a `Problem` where one was lost while it made them. */
  waitForTurn(host: string, batch: readonly { readonly change: PlannedChange }[]): Promise<void>
  finish(host: string, batch: readonly { readonly change: PlannedChange }[]): void
  /** Whatever it still wanted to do: nobody waits for it any more. A host that was lost may still be at what it had begun. */
  release(host: string, isLost: boolean): void
}

/** What the hosts behind one wait for: whether it is certain that it is not at the change any more. */
interface Gate extends PromiseWithResolvers<boolean> {
  /** It has come to its turn. */
  isOpen: boolean
}

/** Who waits for whom is known before the first change: the hosts for which the same resource is due. */
export const sequencerOf = (hosts: readonly RunHost[], play: number, everywhere: ReadonlyMap<string, Observation>): Sequencer => {
  const queues = new Map<string, Map<string, Gate>>()
  for (const { session, due } of hosts)
    for (const one of due.filter((due) => due.play === play)) {
      const kind = one.resource.kind
      if (kind.sequence === undefined) continue
      const key = keyOf(one.resource)
      const queue = queues.get(key) ?? new Map<string, Gate>()
      queues.set(key, queue.set(session.host, { ...Promise.withResolvers<boolean>(), isOpen: false }))
    }
  for (const { due } of hosts)
    for (const { resource } of due) {
      const queue = queues.get(keyOf(resource))
      const order = resource.kind.sequence?.(resource.spec, statesOf(everywhere, keyOf(resource)))
      if (queue !== undefined && order !== undefined) queues.set(keyOf(resource), ordered(queue, order))
    }
  const waitFor = async (host: string, key: string): Promise<void> => {
    for (const [before, gate] of queues.get(key) ?? []) {
      if (before === host) gate.isOpen = true
      if (before === host) return
      if (!(await gate.promise)) throw mayStillBeAt(before, host, key)
    }
  }
  return {
    waitForTurn: async (host, batch) => {
      for (const { change } of batch) await waitFor(host, change.resource)
    },
    finish: (host, batch) => {
      for (const { change } of batch) queues.get(change.resource)?.get(host)?.resolve(true)
    },
    release: (host, isLost) => {
      for (const queue of queues.values()) {
        const gate = queue.get(host)
        gate?.resolve(!(isLost && gate.isOpen))
      }
    },
  }
}

const ordered = <T>(queue: ReadonlyMap<string, T>, order: readonly string[]): Map<string, T> =>
  new Map([...queue].sort(([a], [b]) => order.indexOf(a) - order.indexOf(b)))

const mayStillBeAt = (before: string, host: string, key: string): Problem =>
  new Problem({
    class: 'task',
    where: { host, resource: key },
    what: `is left as it is, because ${before} was lost while it was changed`,
    why: `it may still be at it, and one host at a time is to be away`,
    fix: `see to ${before}, then run again`,
  })
