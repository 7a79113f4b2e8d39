import { inLine, pad, width } from './text.ts'
import type { View } from './view.ts'

type Row = readonly string[]

/** Returns a table with a dim header. Columns are as wide as their widest cell. */
export const table = (head: Row, rows: readonly Row[], paint: View['paint']): string => {
  const widths = widthsOf(head, rows)
  const line = (row: Row): string =>
    row
      .map((cell, i) => pad(cell, widths[i] ?? 0))
      .join(GAP)
      .trimEnd()
  return `${[paint.dim(line(head)), ...rows.map((row) => line(row.map(inLine)))].join('\n')}\n`
}

/** Returns the width of such a table in columns of the terminal. */
export const tableWidth = (head: Row, rows: readonly Row[]): number =>
  widthsOf(head, rows).reduce((sum, columnWidth) => sum + columnWidth, GAP.length * (head.length - 1))

const GAP = '  '

const widthsOf = (head: Row, rows: readonly Row[]): readonly number[] =>
  head.map((name, i) => Math.max(width(name), ...rows.map((row) => width(inLine(row[i] ?? '')))))
