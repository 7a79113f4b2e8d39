import { differingNames } from '../fetched/manifest.ts'
import { isLoginFile } from '../guarded/login-access.ts'
import { ABSENT, reasonUnreached } from '../kind/inode.ts'
import type { Change, FileEdit, PlanContext } from '../kind/kind.ts'
import { orphanPolicyOf } from '../kind/orphan-policy.ts'
import { namesText } from '../kind/walk-read.ts'
import { type OrphanSpec, type OrphanState, placeOf, recordedUnit } from './observe.ts'
import type { OwnedResource } from './record.ts'
import { isSystemFile } from './system-files.ts'

/** Outcome for an orphan: it is deleted, or kept and no longer recorded, or does not exist any more. */
export type OrphanOutcome =
  | { readonly is: 'delete'; readonly note?: string; readonly edits?: readonly FileEdit[] }
  | { readonly is: 'stays'; readonly why: string }
  | { readonly is: 'gone' }

/** The outcome as a change of a plan. */
export const changeOf = (outcome: OrphanOutcome): Change => ({
  action: outcome.is === 'delete' ? 'delete' : 'update',
  certainty: 'exact',
  reason: reasonOf(outcome),
  differences: [],
  ...(outcome.is === 'delete' && outcome.edits !== undefined && { edits: outcome.edits }),
})

const reasonOf = (outcome: OrphanOutcome): string => {
  if (outcome.is === 'delete') return `no role declares it any more${outcome.note === undefined ? '' : `; ${outcome.note}`}`
  return outcome.is === 'gone'
    ? 'gone already, dropped from the ownership record'
    : `kept, dropped from the ownership record: ${outcome.why}`
}

/** The part of a plan's context that the outcome of an orphan depends on. */
export type OrphanContext = Pick<PlanContext, 'deleted' | 'edited'>

/** Decides what happens to an orphan. Only unchanged resources are deleted, and none whose loss could lock somebody out or lose data. */
export const outcomeOf = ({ owned, others = [] }: OrphanSpec, state: OrphanState, context: OrphanContext): OrphanOutcome => {
  const unreached = reasonUnreached(state.inode)
  if (unreached !== undefined) return keep(unreached)
  const policy = orphanPolicyOf(owned.key)
  if ('forget' in policy) return { is: 'gone' }
  const id = owned.key.slice(owned.key.indexOf(':') + 1)
  if ('undo' in policy) {
    const undoing = policy.undo.plan({ id, path: placeOf(owned) ?? '' }, state.part, context)
    return typeof undoing === 'string' ? keep(undoing) : undoing === undefined ? { is: 'gone' } : { is: 'delete', edits: undoing }
  }
  if ('delete' in policy && others.length > 0) return keep('it has several files; delete them by hand')
  if ('delete' in policy)
    return DECISIONS[policy.delete](owned, state, context, typeof policy.note === 'function' ? policy.note(id) : policy.note)
  const stopped = recordedUnit(owned)
  if (stopped !== undefined) return { is: 'delete', note: `${stopped} is stopped and disabled` }
  const deletedWith = policy.goesWith?.(id)
  return deletedWith !== undefined && context.deleted?.has(deletedWith) ? { is: 'gone' } : keep(policy.keep)
}

type Decision = (owned: OwnedResource, state: OrphanState, context: OrphanContext, note?: string) => OrphanOutcome

const keep = (why: string): OrphanOutcome => ({ is: 'stays', why })

const decideFile: Decision = (owned, { inode, sha256, package: owner }, _, note) => {
  const place = placeOf(owned)
  if (place === undefined) return keep('the record does not contain its path')
  if (inode === ABSENT || owned.digest === 'absent') return { is: 'gone' }
  if (inode.type !== 'f' || owned.digest !== sha256) return keep('somebody else changed it')
  if (owner !== undefined) return keep(`it belongs to the package ${owner}`)
  return keepNeeded(place) ?? { is: 'delete', ...(note !== undefined && { note }) }
}

/** Keeps a file of the system, and one that this run may need to log in or become root. Limits are deleted, because that only permits more. */
const keepNeeded = (place: string): OrphanOutcome | undefined => {
  if (place.startsWith('/etc/sudoers.d/'))
    return keep(
      'its account would lose sudo; to delete it, declare the account with state: absent in the options of its role, or the file as a resource with state: absent',
    )
  if (isSystemFile(place)) return keep('the host needs it; to delete it, declare it as a resource with state: absent')
  return isLoginFile(place) && !place.startsWith('/etc/security/limits.')
    ? keep('it decides who may log in; to delete it, declare it as a resource with state: absent')
    : undefined
}

const decideLink: Decision = (owned, { inode, package: owner }) => {
  if (inode === ABSENT) return { is: 'gone' }
  if (owned.digest === undefined) return keep('the record does not contain its target')
  if (inode.type !== 'l' || `->${inode.target}` !== owned.digest) return keep('somebody else changed it')
  if (owner !== undefined) return keep(`it belongs to the package ${owner}`)
  return keepNeeded(placeOf(owned) ?? '') ?? { is: 'delete' }
}

/** A directory counts as empty if everything in it is deleted earlier in this run. */
const decideDirectory: Decision = (owned, { inode, within, package: owner }, context) => {
  const place = placeOf(owned)
  if (inode === ABSENT) return { is: 'gone' }
  if (inode.type !== 'd') return keep('somebody else changed it')
  if (owner !== undefined) return keep(`it belongs to the package ${owner}`)
  const remaining = within.filter((one) => !context.deleted?.has(`${place}/${one}`))
  return remaining.length === 0 ? { is: 'delete' } : keep(`it is not empty: ${namesText(remaining)}`)
}

const decideTree: Decision = (_, { inode, tree }) => {
  if (inode === ABSENT && (tree === undefined || tree.head === '')) return { is: 'gone' }
  if (tree === undefined || tree.is === 'foreign') return keep('the host has no manifest of it')
  return tree.differing === 0 ? { is: 'delete' } : keep(`somebody else changed it: ${namesText(differingNames(tree))}`)
}

const DECISIONS: Readonly<Record<'file' | 'link' | 'directory' | 'tree', Decision>> = {
  file: decideFile,
  link: decideLink,
  directory: decideDirectory,
  tree: decideTree,
}
