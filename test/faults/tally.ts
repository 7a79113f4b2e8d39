import type { Way } from './cuts.ts'

/** Results of the interruptions of one kind. */
export interface Row {
  readonly site: string
  readonly way: Way
  readonly points: number
  readonly cuts: number
  readonly recovered: number
  readonly leftOvers: number
}

/** Result of one point: whether it was reached, and the differences from an undisturbed run. */
export interface Tried {
  readonly site: string
  readonly way: Way
  /** Undefined: the run ended before. */
  readonly where: string | undefined
  /** Reason why the next run did not converge; undefined if it did. */
  readonly failed: string | undefined
  readonly differs: readonly string[]
}

export const isWell = ({ failed, differs }: Tried): boolean => failed === undefined && differs.length === 0

/** Results, one row for each way of each site. */
export const rowsOf = (tried: readonly Tried[]): readonly Row[] =>
  [...Map.groupBy(tried, ({ site, way }) => `${site}\0${way}`).values()].map((some) => {
    const cut = some.filter(({ where }) => where !== undefined)
    return {
      site: some[0]?.site ?? '',
      way: some[0]?.way ?? 'controller',
      points: some.length,
      cuts: cut.length,
      recovered: cut.filter(isWell).length,
      leftOvers: cut.filter(({ differs }) => differs.some((one) => one.startsWith('left over '))).length,
    }
  })

/** Formats the rows as an aligned table. */
export const tableOf = (rows: readonly Row[]): string => {
  const lines = [
    ['playbook', 'cut by', 'points', 'cuts', 'recovered', 'left-overs'],
    ...rows.map(({ site, way, points, cuts, recovered, leftOvers }) => [
      site,
      WORDS[way],
      ...[points, cuts, recovered, leftOvers].map(String),
    ]),
  ]
  const widths = (lines[0] ?? []).map((_, i) => Math.max(...lines.map((line) => line[i]?.length ?? 0)))
  return lines
    .map((line) => line.map((word, i) => (i < 2 ? word.padEnd(widths[i] ?? 0) : word.padStart(widths[i] ?? 0))).join('  '))
    .join('\n')
}

const WORDS: Readonly<Record<Way, string>> = {
  controller: 'kill -9 of the controller',
  network: 'packets discarded',
  session: 'kill -9 of sshd’s session',
  shell: 'kill -9 of shell and programs',
  power: 'the host’s plug pulled',
}
