import type { Prepared } from '../prepare.ts'
import type { PlanOptions } from '../run-state.ts'
import { openSession, type Session } from './session.ts'

/** Sessions on hosts that are no part of the run: opened when they are first needed, held until it ends. */
export interface Borrowed {
  borrow(host: string): Promise<Session>
  close(): Promise<void>
}

/** Opens sessions beside the run, with their locks. Whoever holds such a lock may be waiting for one of ours, so it is not waited for. */
export const borrowing = ({ beside }: Prepared, { listen, signal, lock }: PlanOptions): Borrowed => {
  const sessions = new Map<string, Promise<Session>>()
  return {
    borrow: (host) => {
      const target = beside.get(host)
      if (target === undefined) throw new Error(`${host} was never made out`)
      const session = sessions.get(host) ?? openSession(target, { listen, signal, lock, wait: false })
      sessions.set(host, session)
      return session
    },
    close: async () => {
      await Promise.allSettled([...sessions.values()].map(async (session) => (await session).shell.close()))
    },
  }
}
