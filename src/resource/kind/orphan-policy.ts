import type { Change, FileEdit } from './change.ts'
import type { KindQuery } from './queries.ts'
import type { Steps } from './step.ts'

/** A recorded resource that is a part of a file. */
export interface OrphanPart {
  readonly id: string
  readonly path: string
}

/** The edits that undo it, or the reason why it stays. Undefined: nothing of it is left. */
export type Undoing = readonly FileEdit[] | string | undefined

/** An orphan to undo. */
export interface UndoneWork<State> extends OrphanPart {
  readonly state: State
  readonly change: Change
}

/** How a kind undoes what its resources made of files that others own too. */
export interface Undo<State = unknown> {
  observe(orphans: readonly OrphanPart[]): KindQuery<State>
  plan(orphan: OrphanPart, state: State, context: { edited?(path: string): FileEdit | undefined }): Undoing
  apply(work: readonly UndoneWork<State>[]): Steps
}

/** Policy of a run with `--prune` for a resource that no role declares any more. */
export type OrphanPolicy =
  /** Delete it if it is as provision left it and belongs to no package. `tree`: the directory at its `id`, by its manifest. `note`: an effect that remains. `stops`: stop the unit before, which is the `id` or this. */
  | {
      readonly delete: 'file' | 'link' | 'directory' | 'tree'
      readonly note?: string | ((id: string) => string)
      readonly stops?: true | ((id: string) => string)
    }
  /**
   * Keep it, for this reason, which names what to declare instead. `goesWith`: the path whose deletion deletes it too. `stopsRecorded`: if
   * the record names a unit (`Kind.recorded`), stop and disable that.
   */
  | { readonly keep: string; readonly goesWith?: (id: string) => string; readonly stopsRecorded?: true }
  /** Undo its changes of a file. */
  // biome-ignore lint/suspicious/noExplicitAny: the state of a kind meets only its own functions
  | { readonly undo: Undo<any> }
  /** Forget it: nothing on the host can be distinguished from the work of others. `record`: the file with our record of it, which is deleted. */
  | { readonly forget: true; readonly record?: (id: string) => string }

// By name of the kind: a host's record can have resources of roles that are gone.
const policies = new Map<string, OrphanPolicy>()

/**
 * Stores the policy of a kind, if it has one. Throws if another kind has this name, or if the name cannot be a part of keys: records name
 * kinds by it alone.
 */
export const registerOrphanPolicy = (kind: string, policy: OrphanPolicy | undefined): void => {
  if (!/^[a-z][a-z0-9-]*$/.test(kind))
    throw new TypeError(`the name of a kind must have lower-case letters, digits and dashes only: ${JSON.stringify(kind)}`)
  if (policies.has(kind)) throw new TypeError(`another kind has the name ${kind}`)
  if (policy !== undefined) policies.set(kind, policy)
}

/** Returns the policy for the key of a record (`kind:identity`). */
export const orphanPolicyOf = (key: string): OrphanPolicy => policies.get(key.slice(0, key.indexOf(':'))) ?? UNKNOWN

const UNKNOWN: OrphanPolicy = { keep: 'this kind of resource is never deleted automatically' }
