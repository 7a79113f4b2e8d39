import type { Change } from './change.ts'
import { type Answer, HostRefusal, lastLines } from './step.ts'
import { UNSAFE } from './walk.ts'

/** What lies at a path: its type as `find -printf %y` names it (`f` file, `d` directory, `l` link), or nothing. */
export interface Inode {
  readonly type: string
  readonly mode: string
  readonly owner: string
  readonly group: string
  /** Where a symbolic link points. */
  readonly target: string
}

export const ABSENT = 'absent'
export type InodeState = Inode | typeof ABSENT

/** Paths a command line takes at once: far below the kernel's limit of 2 MB for all arguments (execve(2)). */
export const PATHS_AT_ONCE = 1000

/** Reads records of inodes, from `position` in NUL-separated fields; stops at the first word that is not its own. */
export const readInodes = (fields: readonly string[], seen: Map<string, InodeState>, position = 0): number => {
  let i = position
  for (;;) {
    const [word, path = '', type = '', mode = '', owner = '', group = '', target = ''] = fields.slice(i, i + 7)
    if (word === 'absent') {
      seen.set(path, ABSENT)
      i += 2
    } else if (word === 'inode') {
      seen.set(path, { type, mode, owner, group, target })
      i += 7
    } else return i
  }
}

/** Types in words, for reasons and errors. */
export const typeName = (type: string): string => ({ f: 'a file', d: 'a directory', l: 'a symbolic link' })[type] ?? 'a special file'

/** Stands for what lies behind something that another account controls: root did not go there. */
const UNREACHED = 'unreached'

/** An inode that was not looked at because of what is at `place`; `why` is how the sentence about that goes on. */
export const unreached = (place: string, owner: string, why: string): Inode => ({
  type: UNREACHED,
  mode: why,
  owner,
  group: '',
  target: place,
})

/** Why root did not go to a path, with the place that stopped it and its owner; undefined for what could be looked at. */
export const reasonUnreached = (seen: InodeState): string | undefined =>
  seen !== ABSENT && seen.type === UNREACHED
    ? `${seen.target} ${seen.mode}${seen.owner === '' ? '' : ` (owner: ${seen.owner})`}`
    : undefined

/** The verdict on such a path: the change is planned, so that it is seen, and then refused. */
export const planUnreached = (seen: InodeState): Change | undefined => {
  const reason = reasonUnreached(seen)
  return reason === undefined ? undefined : { action: 'update', certainty: 'exact', reason, differences: [] }
}

/** Ends a change of something that could not be reached. */
export const refuseUnreached = (id: string, seen: InodeState, done: readonly string[] = []): void => {
  const reason = reasonUnreached(seen)
  if (reason !== undefined) throw new HostRefusal(`${id} is not touched`, reason, FIX_UNSAFE, { done, culprit: id })
}

/** Ends a change whose program refused a path because another account could replace a part of it. */
export const refuseUnsafe = ({ code, stderr }: Answer, what: string, done: readonly string[] = []): void => {
  if (code === UNSAFE) throw new HostRefusal(what, lastLines(stderr), FIX_UNSAFE, { done })
}

/** How to make a place safe for root. */
export const FIX_UNSAFE =
  'declare it where only root can write: root owns every directory above it, and none of them is a link of another account'

/** The verdict on a path at which nothing shall be. */
export const planAbsent = (seen: InodeState, packagesComing: boolean): Change | undefined => {
  if (seen !== ABSENT) return { action: 'delete', certainty: 'exact', reason: 'declared absent', differences: [] }
  // A package that is about to be installed may bring it.
  return packagesComing ? { action: 'delete', certainty: 'dependent', reason: 'a package may bring it', differences: [] } : undefined
}
