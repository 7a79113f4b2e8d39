import { problemsIn } from '../../problem.ts'
import { observe } from '../observe/session.ts'
import type { Run, RunHost } from '../run-state.ts'

/**
 * Observes some hosts again, all at once, so that each is then planned with all the others as they are now (a cluster's members,
 * for instance). A host that does not answer is left out of the rest of the run; those that did are returned.
 */
export const renew = async (run: Run, hosts: readonly RunHost[]): Promise<readonly RunHost[]> => {
  const renewed = await Promise.all(
    hosts.map(async (surveyed) => {
      const { session, placed } = surveyed
      try {
        run.observations.set(session.host, await observe(session, placed))
        return [surveyed]
      } catch (error) {
        const problems = problemsIn(error)
        if (problems === undefined) throw error
        run.progress.exclude(session.host, problems)
        return []
      }
    }),
  )
  return renewed.flat()
}
