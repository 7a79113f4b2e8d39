/** What happens to a resource that no role declares any more, in a run that deletes orphans. */
export type OrphanPolicy =
  /** It is deleted where it is exactly as it was left. `note`: what that does not undo. `stops`: it is a unit, and stopped before. */
  | { readonly delete: 'file' | 'link' | 'directory'; readonly note?: string; readonly stops?: true }
  /** It is never deleted: why, and what to declare instead. `goesWith`: the path whose deletion takes it along. */
  | { readonly keep: string; readonly goesWith?: (id: string) => string }
  /** It left nothing on the host that could be told from the work of others. */
  | { readonly forget: true }

/** By kind. A host's record names kinds whose roles are gone, so that they are looked up by name. */
const policies = new Map<string, OrphanPolicy>()

/** Stores the policy of a kind. Throws where another kind has this name: records name kinds by it alone. */
export const registerOrphanPolicy = (kind: string, policy: OrphanPolicy): void => {
  if (policies.has(kind)) throw new TypeError(`another kind has the name ${kind}`)
  policies.set(kind, policy)
}

/** The policy for a record's key (`kind:identity`). */
export const orphanPolicyOf = (key: string): OrphanPolicy => policies.get(key.slice(0, key.indexOf(':'))) ?? UNKNOWN

const UNKNOWN: OrphanPolicy = { keep: 'this kind of resource is never deleted automatically' }
