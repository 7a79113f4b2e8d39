import type { Change, PlanContext, Resource } from '../../resource/kind/kind.ts'
import { HostRefusal } from '../../resource/kind/step.ts'
import { ACCOUNTS, accountsOf, type KnownAccounts } from '../observe/accounts.ts'
import type { Observation } from '../observe/host-query.ts'

/** Accounts that a resource needs, and that the host does not have after the earlier changes of this run. */
const missing = (resource: Resource, observation: Observation, { changes, deletes }: PlanContext): readonly string[] => {
  const known = observation.get(ACCOUNTS) as KnownAccounts | undefined
  if (known === undefined || resource.kind.accounts === undefined) return []
  const { users, groups } = accountsOf(resource)
  const isGone = (key: string): boolean => deletes?.(key) === true
  const isComing = (key: string): boolean => changes(key) && !isGone(key)
  const hasUser = (name: string): boolean => isComing(`user:${name}`) || (known.users.has(name) && !isGone(`user:${name}`))
  // useradd creates a group with the name of the user.
  const hasGroup = (name: string): boolean =>
    isComing(`user:${name}`) || isComing(`group:${name}`) || (known.groups.has(name) && !isGone(`group:${name}`))
  return [
    ...users.filter((name) => !hasUser(name)).map((name) => `user ${name}`),
    ...groups.filter((name) => !hasGroup(name)).map((name) => `group ${name}`),
  ]
}

/** Returns the refusal of a resource whose account neither exists nor is created before it; undefined if a package may create it. */
export const missingAccounts = (resource: Resource, observation: Observation, context: PlanContext): HostRefusal | undefined => {
  const [first] = context.anyPackagesPending === true ? [] : missing(resource, observation, context)
  if (first === undefined) return undefined
  const [type, name] = first.split(' ')
  return context.deletes?.(`${type}:${name}`) === true
    ? new HostRefusal(
        `${first} does not exist`,
        'an earlier change of this run deletes it',
        'correct the name, or the order of both resources',
      )
    : new HostRefusal(
        `${first} does not exist`,
        `the host has no ${type} of this name, and no earlier resource of this run creates it`,
        `correct the name, or declare the ${type} before this resource`,
      )
}

/** Returns the change, as dependent if only a package of this run can create an account that it needs; the reason names that account. */
export const dependingOnAccounts = (change: Change, resource: Resource, observation: Observation, context: PlanContext): Change => {
  const [first] = change.certainty === 'opaque' ? [] : missing(resource, observation, context)
  return first === undefined ? change : { ...change, certainty: 'dependent', reason: `${change.reason}, no ${first} yet` }
}
