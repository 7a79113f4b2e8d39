import { wrapWords } from '../report/text.ts'
import type { View } from '../report/view.ts'
import type { Command, CommandEntry, Option, Options } from './command.ts'
import { commonOptions } from './parse.ts'

/** Returns the text of `provision --help`. */
export const overview = (commands: Readonly<Record<string, CommandEntry>>, view: View): string => {
  const { paint } = view
  const columns = helpWidth(view)
  return `${[
    ...wrapWords('Configure Debian and Ubuntu servers over SSH. Every run plans first, then makes exactly the planned changes.', columns),
    '',
    `${paint.bold('Usage')}  provision COMMAND [OPTIONS]`,
    '',
    paint.bold('Commands'),
    ...definitionList(
      Object.entries(commands).map(([name, { summary }]) => [name, summary]),
      view,
    ),
    '',
    paint.bold('Exit status'),
    ...definitionList(EXIT_STATUS, view),
    '',
    ...wrapWords('Run `provision COMMAND --help` for the options of a command, and `provision --version` for the version.', columns),
  ].join('\n')}\n`
}

const EXIT_STATUS = [
  ['0', 'done, or nothing to do'],
  ['1', 'a task failed'],
  ['2', '--dry-run found changes'],
  ['3', 'invalid input, nothing was changed'],
  ['4', 'a host is unreachable'],
  ['130', 'interrupted'],
] as const

/** Returns the text of `provision COMMAND --help`, from the declared options. */
export const commandHelp = (summary: string, { usage, options, notes = [] }: Command, view: View): string => {
  const { paint } = view
  const columns = helpWidth(view)
  const all = Object.entries<Option>({ ...options, ...commonOptions } satisfies Options)
  return `${[
    `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`,
    '',
    ...usage.map((line, i) => `${i === 0 ? paint.bold('Usage') : '     '}  provision ${line}`),
    '',
    paint.bold('Options'),
    ...definitionList(
      all.map(([name, option]) => [syntaxOf(name, option), descriptionOf(option)]),
      view,
    ),
    ...(notes.length === 0 ? [] : ['', ...notes.flatMap((note) => wrapWords(note, columns))]),
  ].join('\n')}\n`
}

/** Returns terms and their descriptions in two columns. */
const definitionList = (entries: readonly (readonly [term: string, description: string])[], view: View): readonly string[] => {
  const termWidth = Math.max(...entries.map(([term]) => term.length))
  return entries.flatMap(([term, description]) =>
    wrapWords(description, Math.max(helpWidth(view) - termWidth - 4, 30)).map(
      (line, i) => `  ${view.paint.cyan((i === 0 ? term : '').padEnd(termWidth))}  ${line}`,
    ),
  )
}

// Long lines of prose are hard to read, also on a wide terminal.
const helpWidth = ({ columns }: View): number => Math.min(columns, 100)

const syntaxOf = (name: string, { type, short, value = 'VALUE' }: Option): string =>
  `${short === undefined ? '   ' : `-${short},`} --${name}${type === 'string' ? ` ${value}` : ''}`

const descriptionOf = ({ help, choices, multiple }: Option): string =>
  [help, ...(choices === undefined ? [] : [`(${choices.join(', ')})`]), ...(multiple ? ['(repeatable)'] : [])].join(' ')
