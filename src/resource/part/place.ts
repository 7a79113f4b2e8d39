import type { EditFault } from './edit.ts'
import { regexpOf } from './regexp/regexp.ts'
import type { Line, TextFile } from './text.ts'

/** Options that name a position in a file. */
export interface Position {
  readonly after?: string | undefined
  readonly before?: string | undefined
  readonly at?: 'begin' | 'end' | undefined
}

/** Returns the index at which new lines are inserted, or why the file has no such position. */
export const positionIn = ({ lines }: TextFile, { after, before, at }: Position): number | EditFault => {
  const pattern = after ?? before
  if (pattern === undefined) return at === 'begin' ? 0 : lines.length
  const regexp = regexpOf(pattern)
  const isFound = ({ text }: Line): boolean => regexp.match(text) !== undefined
  const found = after === undefined ? lines.findIndex(isFound) : lines.findLastIndex(isFound)
  if (found >= 0) return after === undefined ? found : found + 1
  return {
    what: `no line matches ${after === undefined ? 'before' : 'after'}: ${pattern}`,
    why: lines.length === 0 ? 'the file has no lines' : `none of ${lines.length} lines matches it`,
    fix: 'correct the regular expression, or leave the option out to insert at the end',
  }
}
