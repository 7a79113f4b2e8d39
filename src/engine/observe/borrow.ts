import type { Prepared } from '../prepare.ts'
import type { PlanOptions } from '../run-state.ts'
import { openSession, type Session } from './session.ts'

/** Sessions on hosts outside the run, opened when first needed and held until the run ends. */
export interface Borrowed {
  borrow(host: string): Promise<Session>
  close(): Promise<void>
}

/** Opens sessions on hosts outside the run, with their locks. Does not wait for a lock: its holder may be waiting for a lock of this run. */
export const borrowing = ({ beside }: Prepared, { listen, signal, lock }: PlanOptions): Borrowed => {
  const sessions = new Map<string, Promise<Session>>()
  return {
    borrow: (host) => {
      const target = beside.get(host)
      if (target === undefined) throw new Error(`no target was resolved for ${host}`)
      const session = sessions.get(host) ?? openSession(target, { listen, signal, lock, wait: false })
      sessions.set(host, session)
      return session
    },
    close: async () => {
      await Promise.allSettled([...sessions.values()].map(async (session) => (await session).shell.close()))
    },
  }
}
