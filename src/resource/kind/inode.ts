import type { Change } from './change.ts'
import { type Answer, HostRefusal, outputExcerpt } from './step.ts'
import { UNSAFE } from './walk.ts'

/** An inode: type as `find -printf %y` prints it (`f` file, `d` directory, `l` link), octal mode, owner and group by name. */
export interface Inode {
  readonly type: string
  readonly mode: string
  readonly owner: string
  readonly group: string
  /** Target of a symbolic link; otherwise empty. */
  readonly target: string
}

/** The state of a path that does not exist. */
export const ABSENT = 'absent'
export type InodeState = Inode | typeof ABSENT

/** Paths in one command line, far below the kernel's limit of 2 MB for all arguments (execve(2)). */
export const PATHS_AT_ONCE = 1000

/** Reads records of inodes from NUL-separated fields into `states`. Returns the position of the first field that is not one. */
export const readInodes = (fields: readonly string[], states: Map<string, InodeState>, position = 0): number => {
  let i = position
  for (;;) {
    const [word, path = '', type = '', mode = '', owner = '', group = '', target = ''] = fields.slice(i, i + 7)
    if (word === 'absent') {
      states.set(path, ABSENT)
      i += 2
    } else if (word === 'inode') {
      states.set(path, { type, mode, owner, group, target })
      i += 7
    } else return i
  }
}

/** Returns a type in words, for reasons and errors: `a directory`. */
export const typeName = (type: string): string => ({ f: 'a file', d: 'a directory', l: 'a symbolic link' })[type] ?? 'a special file'

/** Returns a state as the programs of `OBSERVED` compare it: `absent`, `f 644 root root`, `l ../target`. Empty if it is not compared. */
export const inodeWord = (state: InodeState | undefined): string => {
  if (state === undefined) return ''
  if (state === ABSENT) return ABSENT
  const word = state.type === 'l' ? `l ${state.target}` : `${state.type} ${state.mode} ${state.owner} ${state.group}`
  // No path has a NUL byte. A word that matches nothing makes the host refuse the change.
  return word.replaceAll('\0', '?')
}

/** Type of a path that was not observed, because another account controls a directory above it. */
const UNREACHED = 'unreached'

/** Returns the inode of a path that was not observed because of `place`. `why` continues the sentence that begins with `place`. */
export const unreached = (place: string, owner: string, why: string): Inode => ({
  type: UNREACHED,
  mode: why,
  owner,
  group: '',
  target: place,
})

/** Returns why a path was not observed: the place, the reason and its owner. Undefined for an observed path. */
export const reasonUnreached = (state: InodeState): string | undefined =>
  state !== ABSENT && state.type === UNREACHED
    ? `${state.target} ${state.mode}${state.owner === '' ? '' : ` (owner: ${state.owner})`}`
    : undefined

/** Returns the change for a path that was not observed, or undefined. The plan shows it, and `refuseUnreached` refuses it. */
export const planUnreached = (state: InodeState): Change | undefined => {
  const reason = reasonUnreached(state)
  return reason === undefined ? undefined : { action: 'update', certainty: 'exact', reason, differences: [] }
}

/** Throws a `HostRefusal` for a path that was not observed. `together`: others make no sense without it. */
export const refuseUnreached = (id: string, state: InodeState, done: readonly string[] = [], together = false): void => {
  const reason = reasonUnreached(state)
  if (state === ABSENT || reason === undefined) return
  const account = together || ['', 'root'].includes(state.owner) ? undefined : state.owner
  throw new HostRefusal(`${id} not changed`, reason, FIX_UNSAFE, { done, culprit: id, account })
}

/** Throws a `HostRefusal` if a program refused a path that another account could replace (exit status `UNSAFE`). */
export const refuseUnsafe = ({ code, stderr }: Answer, what: string, done: readonly string[] = []): void => {
  if (code === UNSAFE) throw new HostRefusal(what, outputExcerpt(stderr), FIX_UNSAFE, { done })
}

/** The `fix` for a path that root does not use. */
export const FIX_UNSAFE =
  'declare it in a directory of root: root must own every directory above it, and none may be a link of another account'

/** Returns the change for a path that is declared absent. */
export const planAbsent = (state: InodeState, packagesPending: boolean): Change | undefined => {
  if (state !== ABSENT) return { action: 'delete', certainty: 'exact', reason: 'declared absent', differences: [] }
  return packagesPending ? { action: 'delete', certainty: 'dependent', reason: 'a package may contain it', differences: [] } : undefined
}
