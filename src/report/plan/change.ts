import type { PlannedChange } from '../../engine/plan/plan.ts'
import { diffLines } from '../diff.ts'
import { hanging, inLine, width, wrap, wrapWords } from '../text.ts'
import type { View } from '../view.ts'
import type { Entry } from './fold.ts'
import { colourOf, symbols } from './headline.ts'

const certainties = { exact: '', dependent: 'depends on another change', opaque: 'opaque: cannot be predicted' } as const

/** Columns before a change in the plan, and before its details. */
const INDENT = 4
const DETAIL = 8

/** Whether the plan shows the details of a change: its settings and its diff. Those of a new resource are its whole content. */
export const hasDetails = ({ action, bookkeeping }: PlannedChange, { verbose }: View): boolean =>
  bookkeeping !== true && (verbose || action !== 'create')

/** Returns the lines of one change: `~ file /etc/motd  content differs`, its settings and its diff. */
export const changeLines = (change: PlannedChange, view: View): readonly string[] => {
  const { paint, columns } = view
  const { action, resource, reason, certainty, diff, fullDiff, differences } = change
  const diffOf = (text: string | undefined): readonly string[] =>
    text === undefined || text === '' ? [] : diffLines(text, { ...view, columns: columns - DETAIL - 2 }).map((line) => `    ${line}`)
  const symbol = colourOf(action, paint)(symbols[action])
  if (change.bookkeeping === true) return [paint.dim(`${symbols[action]} ${inLine(nameOf(resource))}  record of managed resources`)]
  const head = headLines(symbol, nameOf(resource), [reason, certainties[certainty]].filter((text) => text !== '').join(', '), view)
  if (!hasDetails(change, view)) return head
  // A setting without values is in the reason.
  const settings = differences.filter(
    ({ key, from, to }) => (diff === undefined || key !== 'content') && (from !== undefined || to !== undefined),
  )
  return [
    ...head,
    ...settings.flatMap(({ key, from, to }) =>
      wrapWords(
        inLine(`${key}: ${[from, to].flatMap((side) => (side === undefined ? [] : [side])).join(' → ')}`),
        columns - DETAIL - 2,
      ).map((line) => `    ${paint.dim(line)}`),
    ),
    ...diffOf(diff),
    ...(view.verbose && fullDiff ? ['', `    ${paint.dim('full diff:')}`, ...diffOf(fullDiff)] : []),
  ]
}

/** The first line, or two if the reason does not fit beside the name. */
const headLines = (symbol: string, name: string, reason: string, { paint, columns }: View): readonly string[] => {
  const [first = '', ...more] = wrap(inLine(name), columns - INDENT - 2)
  const nameLines = [`${symbol} ${first}`, ...more.map((piece) => `  ${piece}`)]
  if (reason === '') return nameLines
  const text = hanging(reason)
  const used = INDENT + 4 + width(more.at(-1) ?? first)
  if (used + Math.max(...text.split('\n').map(width)) <= columns) {
    const [head = '', ...rest] = `${nameLines.at(-1)}  ${paint.dim(text)}`.split('\n')
    return [...nameLines.slice(0, -1), head, ...rest]
  }
  return [
    ...nameLines,
    ...text.split('\n').flatMap((line) => wrapWords(line.trimStart(), columns - DETAIL).map((piece) => `    ${paint.dim(piece)}`)),
  ]
}

/** Returns the lines of an entry of a long plan: those of its change, or one line with the first names of several. */
export const entryLines = (entry: Entry, view: View): readonly string[] => {
  const [first, ...more] = entry
  // In a long plan, nearly every new resource depends on another one.
  if (more.length === 0) return changeLines(first.action === 'create' ? { ...first, certainty: 'exact' } : first, view)
  const { paint, columns } = view
  const kind = first.bookkeeping === true ? 'record of managed resources' : kindOf(first.resource)
  const label = `${symbols[first.action]} ${entry.length} × ${inLine(kind)}  `
  const names = entry.map(({ resource }) => inLine(resource.slice(resource.indexOf(':') + 1)))
  const shown = fitting(names, Math.min(columns, LINE) - INDENT - width(label))
  if (first.bookkeeping === true) return [paint.dim(`${label}${shown}`)]
  return [`${colourOf(first.action, paint)(symbols.create)}${label.slice(1)}${paint.dim(shown)}`]
}

// In a log, which has no width.
const LINE = 160

/** As many names as fit, then the number of the others. */
const fitting = (names: readonly string[], columns: number): string => {
  const text = (shown: number): string =>
    [...names.slice(0, shown), ...(shown < names.length ? [`${names.length - shown} more`] : [])].join(', ')
  let shown = names.length
  while (shown > 0 && width(text(shown)) > columns) shown -= 1
  return text(shown)
}

const kindOf = (resource: string): string => resource.slice(0, resource.indexOf(':'))

/** Returns `kind:identity` as two words. */
export const nameOf = (resource: string): string => resource.replace(':', ' ')
