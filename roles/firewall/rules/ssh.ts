import type { Policy } from './policy.ts'
import { fromSets, limitRules, rule } from './text.ts'

/** Rules for sshd: to administrators, or to anyone at a limited rate. */
export const sshRules = ({ sshPorts, sshRate, administrators }: Policy): { sets: readonly string[]; rules: readonly string[] } => {
  const match = `tcp dport ${sshPorts.length === 1 ? sshPorts[0] : `{ ${sshPorts.join(', ')} }`}`
  const what = `${sshPorts.join(' and ')}/tcp (ssh)`
  if (administrators.length > 0) return { sets: [], rules: fromSets(match, 'administrators', 'in_ssh', what) }
  const accept = rule(`${match} counter name in_ssh accept`, `${what} from anyone`)
  if (sshRate === undefined) return { sets: [], rules: [accept] }
  const limit = limitRules(match, sshRate, {
    ...{ set: 'ssh_meter', counter: 'drop_ssh_rate' },
    comment: `dropped: SSH, more than ${sshRate.perMinute} new connections per minute from one address`,
  })
  return { sets: limit.sets, rules: [...limit.rules, accept] }
}
