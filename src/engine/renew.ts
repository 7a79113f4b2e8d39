import { problemsIn } from '../problem.ts'
import type { Planned, Surveyed } from './planned.ts'
import { observe } from './session.ts'
import type { RunProgress } from './tally.ts'

/**
 * Observes some hosts again, all at once, so that each is then planned with all the others as they are now (a cluster's members,
 * for instance). A host that does not answer is left out of the rest of the run; those that did are returned.
 */
export const renew = async (hosts: readonly Surveyed[], { everywhere }: Planned, tally: RunProgress): Promise<readonly Surveyed[]> => {
  const renewed = await Promise.all(
    hosts.map(async (surveyed) => {
      const { session, placed } = surveyed
      try {
        everywhere.set(session.host, await observe(session, placed))
        return [surveyed]
      } catch (error) {
        const problems = problemsIn(error)
        if (problems === undefined) throw error
        tally.exclude(session.host, problems)
        return []
      }
    }),
  )
  return renewed.flat()
}
