import { distinctProblems, type Problem, problemsIn } from '../../problem.ts'
import { readKnownHosts } from '../known-hosts/known-hosts-file.ts'
import type { Target } from '../target/connection.ts'
import { credentialsOf } from './credentials.ts'

/** The problems of keys, passphrases and known_hosts files that can be found without sending anything, each once. */
export const checkTargets = async (targets: Iterable<Target>): Promise<readonly Problem[]> => {
  const checks = [...targets].flatMap((target) => [credentialsOf(target), readKnownHosts(target.knownHosts)])
  const results = await Promise.allSettled<unknown>(checks)
  const problems = results.flatMap((result) => {
    if (result.status === 'fulfilled') return []
    const found = problemsIn(result.reason)
    if (!found) throw result.reason
    return found
  })
  return distinctProblems(problems)
}
