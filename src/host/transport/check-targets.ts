import { distinctProblems, type Problem, problemsIn } from '../../problem.ts'
import { readKnownHosts } from '../known-hosts/known-hosts-file.ts'
import { refuseProxyCommand } from '../ssh/connect.ts'
import { credentialsOf } from '../ssh/credentials.ts'
import { readKeyFile } from '../ssh/key-file.ts'
import type { Target } from '../target/connection.ts'
import { reasonForOpenSsh } from './choose.ts'

/** The problems of keys, passphrases and known_hosts files that can be found without sending anything, each once. */
export const checkTargets = async (targets: Iterable<Target>): Promise<readonly Problem[]> => {
  const checks = [...targets].flatMap((target) => [checkLogin(target), readKnownHosts(target.knownHosts)])
  const results = await Promise.allSettled<unknown>(checks)
  const problems = results.flatMap((result) => {
    if (result.status === 'fulfilled') return []
    const found = problemsIn(result.reason)
    if (!found) throw result.reason
    return found
  })
  return distinctProblems(problems)
}

const checkLogin = async (target: Target): Promise<unknown> => {
  if (target.transport === 'local') return undefined
  if (target.transport === 'ssh2') refuseProxyCommand(target)
  // ssh asks for passphrases itself, and finds its keys in more places.
  return (await reasonForOpenSsh(target)) === undefined ? await credentialsOf(target) : await Promise.all(target.keys.map(readKeyFile))
}
