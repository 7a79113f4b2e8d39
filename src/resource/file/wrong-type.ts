import { ABSENT, type InodeState, reasonUnreached, typeName } from '../kind/inode.ts'
import type { PlanContext } from '../kind/kind.ts'
import { parentOf } from '../kind/path.ts'
import { HostRefusal } from '../kind/step.ts'

/** Whether what was observed at a path is there until a resource is applied: no earlier change replaces it, and root alone can. */
export const staysThere = (path: string, state: InodeState, { deletes, deleted, changes, isRootsAlone }: PlanContext): boolean =>
  reasonUnreached(state) === undefined &&
  deletes?.(path) !== true &&
  deleted?.has(path) !== true &&
  !['file', 'link', 'directory'].some((kind) => changes(`${kind}:${path}`)) &&
  isRootsAlone?.(parentOf(path)) === true

/**
 * Returns the refusal of a run that would have to replace something of another type than these (`f`, `d`, `l`). Undefined if an earlier
 * change deletes it, and where an account of the host decides what is there: then only this host refuses the change.
 */
export const wrongType = (
  path: string,
  state: InodeState,
  declared: { readonly what: string; readonly types: string; readonly state: 'present' | 'absent' },
  context: PlanContext,
): HostRefusal | undefined => {
  if (state === ABSENT || declared.types.includes(state.type) || !staysThere(path, state, context)) return undefined
  const isAbsent = declared.state === 'absent'
  const why = `${declared.what} is declared ${isAbsent ? 'absent ' : ''}at this path`
  if (state.type !== 'l')
    return new HostRefusal(
      `${path} is ${typeName(state.type)}`,
      `${why}, and provision does not ${isAbsent ? 'delete' : 'replace'} it`,
      'correct the path, or move it away by hand',
    )
  const target = state.target.startsWith('/') ? state.target : `${parentOf(path)}/${state.target}`
  return new HostRefusal(
    `${path} is a symbolic link to ${state.target}`,
    `${why}; root follows its links above a path, and not at the path itself`,
    isAbsent
      ? 'declare it as a link with state: absent, or delete it by hand'
      : `declare ${declared.what} at ${target}, where the link leads, or delete the link`,
  )
}
