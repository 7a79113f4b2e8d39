import type { Change, PlanContext, Resource } from '../../resource/kind/kind.ts'
import { HostRefusal } from '../../resource/kind/step.ts'
import { ACCOUNTS, accountsOf, type KnownAccounts } from '../observe/accounts.ts'
import type { Observation } from '../observe/host-query.ts'

/** Accounts that a resource needs, that the host does not have, and that no earlier `user` or `group` of this run creates. */
const missing = (resource: Resource, observation: Observation, { changes }: PlanContext): readonly string[] => {
  const known = observation.get(ACCOUNTS) as KnownAccounts | undefined
  if (known === undefined || resource.kind.accounts === undefined) return []
  const { users, groups } = accountsOf(resource)
  // useradd creates a group with the name of the user.
  const isComing = (name: string): boolean => changes(`user:${name}`)
  return [
    ...users.filter((name) => !known.users.has(name) && !isComing(name)).map((name) => `user ${name}`),
    ...groups.filter((name) => !known.groups.has(name) && !isComing(name) && !changes(`group:${name}`)).map((name) => `group ${name}`),
  ]
}

/** Returns the refusal of a resource whose account neither exists nor is created before it; undefined if a package may create it. */
export const missingAccounts = (resource: Resource, observation: Observation, context: PlanContext): HostRefusal | undefined => {
  const [first] = context.anyPackagesPending === true ? [] : missing(resource, observation, context)
  return first === undefined
    ? undefined
    : new HostRefusal(
        `${first} does not exist`,
        'the host has no account of this name, and no earlier resource of this run creates it',
        `correct the name, or declare the ${first.split(' ')[0]} before this resource`,
      )
}

/** Returns the change, as dependent if only a package of this run can create an account that it needs. */
export const dependingOnAccounts = (change: Change, resource: Resource, observation: Observation, context: PlanContext): Change =>
  change.certainty === 'exact' && missing(resource, observation, context).length > 0 ? { ...change, certainty: 'dependent' } : change
