import { type LoginAccess, shutOutBy } from '../../resource/guarded/login-access.ts'
import type { Change, Effect, Resource } from '../../resource/kind/kind.ts'
import type { HostRefusal } from '../../resource/kind/step.ts'
import type { Observation } from '../observe/host-query.ts'
import { effectsOf, LOGIN_ACCESS } from '../observe/login-access.ts'
import type { DeclaredResource } from './declared.ts'

/** All effects of the resources of the selected roles. */
export const effectsOfAll = (resources: readonly DeclaredResource[], selected: (role: string) => boolean): readonly Effect[] =>
  resources.flatMap(({ role, resource }) => (selected(role) ? effectsOf(resource, false) : []))

/** Returns the refusal of a change that would certainly shut out the account of the run. */
export const shutOut = (
  resource: Resource,
  change: Change | undefined,
  observation: Observation,
  effects: readonly Effect[],
): HostRefusal | undefined => {
  const access = observation.get(LOGIN_ACCESS) as LoginAccess | undefined
  if (change === undefined || access?.login === undefined) return undefined
  for (const effect of effectsOf(resource, change.action === 'delete')) {
    const refusal = shutOutBy(effect, { ...access, effects })
    if (refusal !== undefined) return refusal
  }
  return undefined
}
