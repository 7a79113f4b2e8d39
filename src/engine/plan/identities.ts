import type { AcmeAccount, AcmeOptions, Authority, AuthorityOptions, Identities } from '../../keystore/identities.ts'
import { latersIn } from '../../resource/kind/content.ts'
import { calling } from '../failure.ts'
import type { RunHost } from '../run-state.ts'
import { CONTROLLER, type PlannedChange } from './plan.ts'
import type { Selection } from './plan-host.ts'

/** The functions by which roles declare the identities that they use. */
export interface Declaring {
  acmeAccount(role: string, options: AcmeOptions): AcmeAccount
  authority(role: string, options: AuthorityOptions): Authority
}

/** Declares identities for roles, and records in `declarers` which roles declare each one. */
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

/** Reports to the identities which hosts still have files with an older certificate. */
export const markStaleHosts = (identities: Identities, planned: readonly Pick<RunHost, 'session' | 'pending'>[]): void => {
  for (const { session, pending } of planned) for (const value of updatedLaters(pending)) identities.markStale(value, session.host)
}

/** The later values in files that are updated. A host without the file has no clients that it could refuse. */
export const updatedLaters = (pending: RunHost['pending']): ReturnType<typeof latersIn> =>
  pending
    .filter(({ change }) => change.action === 'update')
    .flatMap(({ role, resource: { kind, spec } }) =>
      latersIn(calling({ call: `content of kind ${kind.name}`, role }, () => kind.content?.(spec))),
    )

/** The identities to be created, as changes of the controller. Each is listed under the first selected role that declares it. */
export const identityChanges = (
  identities: Identities,
  declarers: ReadonlyMap<string, ReadonlySet<string>>,
  selected: Selection,
): readonly PlannedChange[] => {
  // An administrator's age key is needed by several identities, so all of their roles declare it.
  const all = new Set([...declarers.values()].flatMap((roles) => [...roles]))
  return identities.missing().flatMap(({ key, action, reason }): readonly PlannedChange[] => {
    const [role] = [...(declarers.get(key) ?? all)].filter(selected)
    return role === undefined
      ? []
      : [{ host: CONTROLLER, role, resource: key, action, certainty: 'exact', reason, differences: [], play: 0 }]
  })
}
