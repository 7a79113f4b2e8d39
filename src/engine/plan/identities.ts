import type { AcmeAccount, AcmeOptions, Authority, AuthorityOptions, Identities } from '../../keystore/identities.ts'
import { latersIn } from '../../resource/kind/content.ts'
import type { RunHost } from '../run-state.ts'
import { CONTROLLER, type PlannedChange } from './plan.ts'
import type { Selection } from './plan-host.ts'

/** How roles declare the identities that they use. */
export interface Declaring {
  acmeAccount(role: string, options: AcmeOptions): AcmeAccount
  authority(role: string, options: AuthorityOptions): Authority
}

/** Declares identities for roles, and writes down in `declarers` which roles asked for each. */
export const declaring = (identities: Identities, declarers = new Map<string, Set<string>>()): Declaring => {
  const noted = <T extends { readonly key: string }>(role: string, identity: T): T => {
    declarers.set(identity.key, (declarers.get(identity.key) ?? new Set()).add(role))
    return identity
  }
  return {
    acmeAccount: (role, options) => noted(role, identities.acmeAccount(options)),
    authority: (role, options) => noted(role, identities.authority(options)),
  }
}

/** Tells the identities which hosts have files that say something else of them than they do now. */
export const tellWhoLearns = (identities: Identities, surveys: readonly Pick<RunHost, 'session' | 'due'>[]): void => {
  // A host that has nothing there yet has nobody to turn away.
  for (const { session, due } of surveys)
    for (const { resource, change: verdict } of due)
      if (verdict.action === 'update')
        for (const value of latersIn(resource.kind.content?.(resource.spec))) identities.stillLearns(value, session.host)
}

/** The identities still to be made, as changes of the controller: those that a selected role asked for, under the first role that did. */
export const identityChanges = (
  identities: Identities,
  declarers: ReadonlyMap<string, ReadonlySet<string>>,
  selected: Selection,
): readonly PlannedChange[] => {
  // What several identities need, an administrator's key, is asked for by all of their roles.
  const all = new Set([...declarers.values()].flatMap((roles) => [...roles]))
  return identities.missing().flatMap(({ key, action, reason }): readonly PlannedChange[] => {
    const [role] = [...(declarers.get(key) ?? all)].filter(selected)
    return role === undefined
      ? []
      : [{ host: CONTROLLER, role, resource: key, action, certainty: 'exact', reason, differences: [], play: 0 }]
  })
}
