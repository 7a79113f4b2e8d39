import { globExpression } from '../fetched/unpacked.ts'
import { directoriesAbove as above } from '../kind/path-queries.ts'

/** Whether a path, or a directory above it, matches one of the patterns: `*` matches within a name, `**` across directories. */
export const matches = (patterns: readonly string[], path: string): boolean =>
  patterns.some((pattern) => new RegExp(`^(?:${globExpression(pattern, 'u')})(?:/|$)`, 'su').test(path))

/** `a` and `a/b` for `a/b/c.html`. */
export const directoriesAbove = (path: string): readonly string[] => above(`/${path}`).map((one) => one.slice(1))
