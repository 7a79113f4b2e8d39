import type { Outcome } from './play.ts'

/** Results of the cells by row and column. A row without a column was not attacked in this way. */
export type Results = ReadonlyMap<string, ReadonlyMap<string, readonly Outcome[]>>

/** A table in Markdown, and below it every fault once. */
export const tableOf = (results: Results, columns: readonly string[], exempt: Readonly<Record<string, string>> = {}): string => {
  const rows = [...results].map(([row, cells]) => [row, ...columns.map((column) => wordOf(cells.get(column)))])
  const lines = [['', ...columns], columns.map(() => '---').concat('---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`)
  const faults = [...results].flatMap(([row, cells]) =>
    [...cells].flatMap(([column, outcomes]) =>
      [...new Set(outcomes.flatMap((one) => one.faults))].map((fault) => `- ${row}, ${column}: ${fault}`),
    ),
  )
  const others = Object.entries(exempt).map(([kind, why]) => `- ${kind}: ${why}`)
  return [
    '',
    ...lines,
    ...(others.length === 0 ? [] : ['', 'Not played:', ...others]),
    ...(faults.length === 0 ? [] : ['', 'Not held:', ...faults]),
    '',
  ].join('\n')
}

const wordOf = (outcomes: readonly Outcome[] | undefined): string => {
  if (outcomes === undefined || outcomes.length === 0) return '–'
  if (outcomes.some(({ faults }) => faults.length > 0)) return '**not held**'
  return outcomes.every(({ ended }) => ended === 'done') ? 'held' : 'held, refused'
}
