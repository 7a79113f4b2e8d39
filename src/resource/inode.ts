import { quote } from '../quote.ts'
import type { Verdict } from './kind.ts'

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
export type SeenInode = Inode | typeof ABSENT

/** Paths a command line takes at once: far below the kernel's limit of 2 MB for all arguments (execve(2)). */
export const PATHS_AT_ONCE = 1000

/**
 * Shell that speaks of every path: one `find` for what is there, a builtin for what is not. Leaves the paths in `"$@"`.
 * A path that ends in `/.` is a tree: all that lies in it is named, owners by number (names would be looked up for each).
 */
export const inodeScript = (paths: readonly string[]): string => `
set -- ${paths.map(quote).join(' ')}
for p do [ -e "$p" ] || [ -L "$p" ] || printf 'absent\\0%s\\0' "$p"; done
find "$@" -path '*/.' -printf 'tree\\0%p\\0%y\\0%m\\0%U:%G\\0' -o -path '*/./*' -printf 'in\\0%P\\0%y\\0%m\\0%U:%G\\0' \\
  -o -prune -printf 'inode\\0%p\\0%y\\0%m\\0%u\\0%g\\0%l\\0changed\\0%p\\0%C@\\0'
`

/** Reads what `inodeScript` printed, from `position` in NUL-separated fields; stops at the first word that is not its own. */
export const readInodes = (fields: readonly string[], seen: Map<string, SeenInode>, position = 0): number => {
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

/** The verdict on a path at which nothing shall be. */
export const planAbsent = (seen: SeenInode, packagesComing: boolean): Verdict | undefined => {
  if (seen !== ABSENT) return { action: 'delete', sure: 'exact', reason: 'shall not be there', differences: [] }
  // A package that is about to be installed may bring it.
  return packagesComing ? { action: 'delete', sure: 'depends', reason: 'a package may bring it', differences: [] } : undefined
}
