import { count, visible, wrap } from './text.ts'
import type { View } from './view.ts'

// A plan is read from top to bottom: a diff longer than this hides the next change.
const SHOWN = 30

/** A unified diff in colour, cut to the width; beyond some thirty lines only their number, unless all was asked for. */
export const diffLines = (diff: string, { paint, columns, verbose }: View): readonly string[] => {
  // As a whole: what stands in several lines, each by itself nobody would know.
  const lines = body(visible(diff))
  const shown = verbose || lines.length <= SHOWN + 5 ? lines : lines.slice(0, SHOWN)
  const hidden = lines.length - shown.length
  return [
    ...shown.flatMap((line) => wrap(line.replaceAll('\t', '    '), columns).map(colourOf(line, paint))),
    ...(hidden === 0 ? [] : [paint.dim(`… ${count(hidden, 'more line')} (--verbose shows all)`)]),
  ]
}

// The head names the file a second time; and a diff that is one hunk from the first line needs no line numbers.
const body = (diff: string): readonly string[] => {
  const lines = diff.replace(/\n$/, '').split('\n')
  const first = lines.findIndex((line) => line.startsWith('@@'))
  const hunks = lines.slice(Math.max(first, 0))
  const whole = hunks.filter((line) => line.startsWith('@@')).length === 1 && /^@@ -[01](,\d+)? \+[01](,\d+)? @@/.test(hunks[0] ?? '')
  return whole ? hunks.slice(1) : hunks
}

const colourOf = (line: string, paint: View['paint']): ((piece: string) => string) => {
  if (line.startsWith('+')) return paint.green
  if (line.startsWith('-')) return paint.red
  if (line.startsWith('@@')) return paint.cyan
  return paint.dim
}
