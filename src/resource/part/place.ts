import type { EditFault } from './edit.ts'
import { regexpOf } from './regexp/regexp.ts'
import type { TextFile } from './text.ts'

/** Options that name a position in a file. */
export interface Position {
  readonly after?: string | undefined
  readonly before?: string | undefined
  readonly at?: 'begin' | 'end' | undefined
}

/** Returns the index at which new lines are inserted, or why the file has no such position. `within`: the lines to search. */
export const positionIn = (
  { lines }: TextFile,
  { after, before, at }: Position,
  [from, to]: readonly [number, number] = [0, lines.length],
): number | EditFault => {
  const pattern = after ?? before
  if (pattern === undefined) return at === 'begin' ? from : to
  const regexp = regexpOf(pattern)
  const texts = lines.slice(from, to).map(({ text }) => text)
  const found = after === undefined ? texts.findIndex((text) => regexp.match(text)) : texts.findLastIndex((text) => regexp.match(text))
  if (found >= 0) return from + (after === undefined ? found : found + 1)
  return {
    what: `no line matches ${after === undefined ? 'before' : 'after'}: ${pattern}`,
    why: texts.length === 0 ? 'the file has no lines' : `none of ${texts.length} lines matches it`,
    fix: 'correct the regular expression, or leave the option out to insert at the end',
  }
}
