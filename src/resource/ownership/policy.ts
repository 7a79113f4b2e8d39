import { ABSENT, reasonUnreached } from '../kind/inode.ts'
import type { Change, PlanContext } from '../kind/kind.ts'
import { orphanPolicyOf } from '../kind/orphan-policy.ts'
import { type OrphanSpec, type OrphanState, placeOf } from './observe.ts'
import type { OwnedThing } from './record.ts'

/** What is done about something that is left over: it is deleted, or stays and is no longer ours, or is gone already. */
export type Fate =
  | { readonly is: 'delete'; readonly note?: string }
  | { readonly is: 'stays'; readonly why: string }
  | { readonly is: 'gone' }

/** As a plan has it. */
export const verdictOf = (fate: Fate): Change => ({
  action: fate.is === 'delete' ? 'delete' : 'update',
  certainty: 'exact',
  reason: reasonOf(fate),
  differences: [],
})

const reasonOf = (fate: Fate): string => {
  if (fate.is === 'delete') return `no role declares it any more${fate.note === undefined ? '' : `; ${fate.note}`}`
  return fate.is === 'gone' ? 'gone already, our record forgets it' : `stays as it is and is no longer ours: ${fate.why}`
}

/** Deleted are only things that are exactly as we left them, and whose loss can neither lock anybody out nor lose data. */
export const fateOf = ({ thing }: OrphanSpec, state: OrphanState, context: Pick<PlanContext, 'deleted'>): Fate => {
  const unreached = reasonUnreached(state.inode)
  if (unreached !== undefined) return stays(unreached)
  const policy = orphanPolicyOf(thing.key)
  if ('forget' in policy) return { is: 'gone' }
  if ('delete' in policy) return JUDGES[policy.delete](thing, state, context, policy.note)
  const takenAlong = policy.goesWith?.(thing.key.slice(thing.key.indexOf(':') + 1))
  return takenAlong !== undefined && context.deleted?.has(takenAlong) ? { is: 'gone' } : stays(policy.keep)
}

type Judge = (thing: OwnedThing, state: OrphanState, context: Pick<PlanContext, 'deleted'>, note?: string) => Fate

const stays = (why: string): Fate => ({ is: 'stays', why })

const asFile: Judge = (thing, { inode, sha256, package: owner }, _, note) => {
  if (placeOf(thing) === undefined) return stays('our record does not say where it lies')
  if (inode === ABSENT || thing.digest === 'absent') return { is: 'gone' }
  if (inode.type !== 'f' || thing.digest !== sha256) return stays('somebody else wrote it since')
  if (owner !== undefined) return stays(`it belongs to the package ${owner}`)
  return { is: 'delete', ...(note !== undefined && { note }) }
}

const asLink: Judge = (thing, { inode, package: owner }) => {
  if (inode === ABSENT) return { is: 'gone' }
  if (thing.digest === undefined) return stays('our record does not say where it led')
  if (inode.type !== 'l' || `->${inode.target}` !== thing.digest) return stays('somebody else wrote it since')
  return owner === undefined ? { is: 'delete' } : stays(`it belongs to the package ${owner}`)
}

/** Within what is deleted before it, a directory can become empty. */
const asDirectory: Judge = (thing, { inode, within, package: owner }, context) => {
  const place = placeOf(thing)
  if (inode === ABSENT) return { is: 'gone' }
  if (inode.type !== 'd') return stays('somebody else wrote it since')
  if (owner !== undefined) return stays(`it belongs to the package ${owner}`)
  const others = within.filter((one) => !context.deleted?.has(`${place}/${one}`))
  return others.length === 0
    ? { is: 'delete' }
    : stays(`it is not empty: ${others.slice(0, 3).join(', ')}${others.length > 3 ? ', …' : ''}`)
}

const JUDGES: Readonly<Record<'file' | 'link' | 'directory', Judge>> = { file: asFile, link: asLink, directory: asDirectory }
