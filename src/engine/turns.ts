import { type Kind, keyOf } from '../resource/kind.ts'
import type { Observation } from './observe.ts'
import type { Change } from './plan.ts'
import type { Surveyed } from './planned.ts'
import { said } from './planning.ts'

/** Lets the hosts of a play that change one resource together do so one after the other, in the order that its kind says. */
export interface Turns {
  /** Waits until every host before this one has made these changes, or has left. */
  comeTo(host: string, batch: readonly { readonly change: Change }[]): Promise<void>
  pass(host: string, batch: readonly { readonly change: Change }[]): void
  /** Whatever it still wanted to do: nobody waits for it any more. */
  leave(host: string): void
}

/** Who waits for whom is known before the first change: the hosts for which the same resource is due. */
export const turnsOf = (hosts: readonly Surveyed[], play: number, everywhere: ReadonlyMap<string, Observation>): Turns => {
  const queues = new Map<string, Map<string, PromiseWithResolvers<void>>>()
  for (const { session, due } of hosts)
    for (const one of due.filter((due) => due.play === play)) {
      const kind = one.resource.kind as unknown as Kind<unknown, unknown, unknown>
      if (kind.turns === undefined) continue
      const key = keyOf(one.resource)
      const queue = queues.get(key) ?? new Map<string, PromiseWithResolvers<void>>()
      queues.set(key, queue.set(session.host, Promise.withResolvers<void>()))
    }
  for (const { due } of hosts)
    for (const { resource } of due) {
      const queue = queues.get(keyOf(resource))
      const order = (resource.kind as unknown as Kind<unknown, unknown, unknown>).turns?.(resource.spec, said(everywhere, keyOf(resource)))
      if (queue !== undefined && order !== undefined) queues.set(keyOf(resource), ordered(queue, order))
    }
  const waitFor = async (host: string, key: string): Promise<void> => {
    for (const [before, gate] of queues.get(key) ?? []) {
      if (before === host) return
      await gate.promise
    }
  }
  return {
    comeTo: async (host, batch) => {
      for (const { change } of batch) await waitFor(host, change.resource)
    },
    pass: (host, batch) => {
      for (const { change } of batch) queues.get(change.resource)?.get(host)?.resolve()
    },
    leave: (host) => {
      for (const queue of queues.values()) queue.get(host)?.resolve()
    },
  }
}

const ordered = <T>(queue: ReadonlyMap<string, T>, order: readonly string[]): Map<string, T> =>
  new Map([...queue].sort(([a], [b]) => order.indexOf(a) - order.indexOf(b)))
