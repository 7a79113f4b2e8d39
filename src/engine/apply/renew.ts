import { problemsOn } from '../failure.ts'
import { observe } from '../observe/session.ts'
import type { Run, RunHost } from '../run-state.ts'

/**
 * Observes hosts again, all at once, before any of them is planned: a cluster member is planned by the states of all members. Excludes a
 * host that does not answer from the rest of the run, and returns the others.
 */
export const renew = async (run: Run, hosts: readonly RunHost[]): Promise<readonly RunHost[]> => {
  const renewed = await Promise.all(
    hosts.map(async (runHost) => {
      const { session, resources } = runHost
      try {
        run.observations.set(session.host, await observe(session, resources))
        return [runHost]
      } catch (error) {
        run.progress.exclude(session.host, problemsOn(session.host, error, { call: 'observation of this host' }))
        return []
      }
    }),
  )
  return renewed.flat()
}
