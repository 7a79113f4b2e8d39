import { inLine, pad, width } from './text.ts'
import type { View } from './view.ts'

type Row = readonly string[]

/** Columns as wide as what stands in them, under a dim head. */
export const table = (head: Row, rows: readonly Row[], paint: View['paint']): string => {
  const widths = widthsOf(head, rows)
  const line = (row: Row): string =>
    row
      .map((cell, i) => pad(cell, widths[i] ?? 0))
      .join(GAP)
      .trimEnd()
  return `${[paint.dim(line(head)), ...rows.map((row) => line(row.map(inLine)))].join('\n')}\n`
}

/** How wide such a table is. */
export const tableWidth = (head: Row, rows: readonly Row[]): number =>
  widthsOf(head, rows).reduce((sum, one) => sum + one, GAP.length * (head.length - 1))

const GAP = '  '

const widthsOf = (head: Row, rows: readonly Row[]): readonly number[] =>
  head.map((name, i) => Math.max(width(name), ...rows.map((row) => width(inLine(row[i] ?? '')))))
