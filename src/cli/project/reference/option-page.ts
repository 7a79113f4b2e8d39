import { inLine, wrapWords } from '../../../report/text.ts'
import type { View } from '../../../report/view.ts'
import type { OptionNode } from './option-tree.ts'

/** Columns of a page on a wide terminal, or without one. */
const MAX_COLUMNS = 80
/** Columns that are left for text, however deep an option is. */
const MIN_COLUMNS = 30

/** Returns options as an indented tree: name, type and default, and below them description and example. */
export const optionPage = (options: readonly OptionNode[], view: View): string =>
  options.length === 0 ? 'no options\n' : `${options.flatMap((option) => linesOf(option, '', view)).join('\n')}\n`

const linesOf = (option: OptionNode, indentation: string, view: View): readonly string[] => {
  const { name, type, required, description, example, options } = option
  const text = (line: string, by: string): readonly string[] =>
    wrapWords(inLine(line), Math.max(pageWidth(view) - by.length, MIN_COLUMNS)).map((one) => `${by}${one}`)
  const [first = '', ...more] = text(
    [`${name}  ${type}`, ...(required ? ['required'] : []), ...(option.default === undefined ? [] : [`default ${option.default}`])].join(
      ', ',
    ),
    indentation,
  )
  const below = `${indentation}    `
  return [
    first.replace(name, () => view.paint.bold(name)),
    ...more.map((line) => `  ${line}`),
    ...(description === '' ? [] : text(description, below)),
    ...(example === undefined ? [] : text(`for example ${example}`, below)),
    ...options.flatMap((inner) => linesOf(inner, `${indentation}  `, view)),
  ]
}

/** Returns a heading with its text. */
export const heading = (name: string, text: string, view: View): string =>
  `${[view.paint.bold(name), ...wrapWords(text, pageWidth(view)), ''].join('\n')}\n`

/** Returns names with one line of text each, wrapped below itself. */
export const nameList = (entries: readonly (readonly [name: string, text: string])[], view: View): string => {
  const longest = Math.max(0, ...entries.map(([name]) => name.length))
  const columns = Math.max(pageWidth(view) - longest - 2, MIN_COLUMNS)
  const lines = entries.flatMap(([name, text]) =>
    wrapWords(inLine(text), columns).map((line, i) => `${view.paint.bold((i === 0 ? name : '').padEnd(longest))}  ${line}`.trimEnd()),
  )
  return `${lines.join('\n')}\n`
}

const pageWidth = ({ columns }: View): number => Math.min(columns, MAX_COLUMNS)
