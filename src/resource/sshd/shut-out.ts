import { HostRefusal } from '../kind/step.ts'
import type { SshdSpec } from './spec.ts'

/** The account of the run. Groups are undefined if a directory service has the account. */
export interface Login {
  readonly account: string
  readonly groups: readonly string[] | undefined
}

/** The account of the run, and the keywords of all files but those of provision. */
interface Present {
  readonly login: Login
  readonly others: readonly string[]
}

/**
 * Returns why new settings would refuse the account of the run. A new connection has to confirm every change anyway; this finds it before
 * anything is changed. Conditions on the address of the controller are left to that connection.
 */
export const shutOut = (spec: SshdSpec, { login, others }: Present): HostRefusal | undefined => {
  const { account, groups } = login
  const words = (keyword: string): readonly string[] | undefined => {
    const value = Object.entries(spec.settings).find(([name]) => name.toLowerCase() === keyword)?.[1]
    return value === undefined ? undefined : [value].flat().flatMap((one) => String(one).split(/\s+/))
  }
  const refusal = (setting: string, why: string): HostRefusal =>
    new HostRefusal(
      `${setting} would shut out ${account}, the account that this run uses`,
      why,
      'change the setting, or set `user` in the inventory to another account first',
    )
  const matched = spec.match.find(({ users }) => users.includes(account))
  if (matched !== undefined) return refusal('match', `it names ${account}`)
  const [allowUsers, denyUsers, allowGroups, denyGroups] = ['allowusers', 'denyusers', 'allowgroups', 'denygroups'].map(words)
  if (denyUsers?.some((pattern) => matches(pattern, account)) === true) return refusal('DenyUsers', `it lists ${account}`)
  // sshd combines the lists of all files.
  if (
    allowUsers !== undefined &&
    !others.includes('allowusers') &&
    !allowUsers.some((pattern) => matches(pattern.replace(/@.*/, ''), account))
  )
    return refusal('AllowUsers', `it does not list ${account}`)
  const denied = groups?.find((group) => denyGroups?.some((pattern) => matches(pattern, group)))
  if (denied !== undefined) return refusal('DenyGroups', `it lists ${denied}, a group of ${account}`)
  if (groups !== undefined && allowGroups !== undefined && !others.includes('allowgroups'))
    if (!groups.some((group) => allowGroups.some((pattern) => matches(pattern, group))))
      return refusal('AllowGroups', `it lists no group of ${account} (${groups.join(', ')})`)
  if (words('pubkeyauthentication')?.[0] === 'no') return refusal('PubkeyAuthentication no', 'the run logs in with a key')
  const root = words('permitrootlogin')?.[0]
  if (account === 'root' && (root === 'no' || root === 'forced-commands-only'))
    return refusal(`PermitRootLogin ${root}`, 'the run logs in as root')
  return undefined
}

/** Patterns of ssh_config(5): `*` and `?`. */
const matches = (pattern: string, name: string): boolean =>
  new RegExp(
    `^${pattern
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.')}$`,
    's',
  ).test(name)
