import { count, visible, wrap } from './text.ts'
import type { View } from './view.ts'

// A longer diff would push the next change off the screen.
const SHOWN_LINES = 20

/** Returns the lines of a unified diff in colour, wrapped to the width. A long diff ends with the number of hidden lines, unless `verbose`. */
export const diffLines = (diff: string, { paint, columns, verbose }: View): readonly string[] => {
  // The whole text is redacted before it is split: a secret may span several lines.
  const lines = hunksOf(visible(diff))
  const shown = verbose || lines.length <= SHOWN_LINES + 1 ? lines : lines.slice(0, SHOWN_LINES)
  const hidden = lines.length - shown.length
  return [
    ...shown.flatMap((line) => wrap(line.replaceAll('\t', '    '), columns).map(colourOf(line, paint))),
    ...(hidden === 0 ? [] : [paint.dim(`… ${count(hidden, 'more line')} (--verbose shows all)`)]),
  ]
}

// The header repeats the path of the change, and one hunk from line 1 needs no line numbers.
const hunksOf = (diff: string): readonly string[] => {
  const lines = diff.replace(/\n$/, '').split('\n')
  const first = lines.findIndex((line) => line.startsWith('@@'))
  const hunks = lines.slice(Math.max(first, 0))
  const startsAtTop = hunks.filter((line) => line.startsWith('@@')).length === 1 && /^@@ -[01](,\d+)? \+[01](,\d+)? @@/.test(hunks[0] ?? '')
  return startsAtTop ? hunks.slice(1) : hunks
}

const colourOf = (line: string, paint: View['paint']): ((piece: string) => string) => {
  if (line.startsWith('+')) return paint.green
  if (line.startsWith('-')) return paint.red
  if (line.startsWith('@@')) return paint.cyan
  return paint.dim
}
