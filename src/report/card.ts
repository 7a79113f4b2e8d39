import { type Problem, placeOf } from '../problem.ts'
import { inLine, words, wrapWords } from './text.ts'
import type { View } from './view.ts'

/** Returns the lines of an error card: place, what happened, why, and how to fix it. */
export const cardLines = (problem: Problem, { paint, columns }: View): readonly string[] => {
  const place = inLine(placeOf(problem.where))
  const key = 'file' in problem.where ? (problem.where.key ?? '') : ''
  return [
    `${paint.red('✖')} ${paint.bold(place)}${isReadable(key) ? `  ${inLine(key)}` : ''}`,
    ...labelled('what', problem.what, columns),
    ...(problem.why === undefined ? [] : labelled('why', problem.why, columns).map(paint.dim)),
    ...labelled('fix', problem.fix, columns),
  ]
}

/** Whether a key helps a reader. Keys of a playbook begin with the number of a play. */
const isReadable = (key: string): boolean => key !== '' && !key.startsWith('[')

/** Returns one card per problem. A problem in a file that several hosts share is printed once. */
export const cards = (problems: readonly Problem[], view: View): string =>
  `${distinct(problems)
    .map((problem) => cardLines(problem, view).join('\n'))
    .join('\n\n')}\n`

const distinct = (problems: readonly Problem[]): readonly Problem[] => [
  ...new Map(problems.map((problem) => [JSON.stringify([problem.message, problem.why]), problem])).values(),
]

const labelled = (label: string, text: string, columns: number): readonly string[] =>
  words(text.trimEnd())
    .split('\n')
    .flatMap((line) => wrapWords(line.replaceAll('\t', '  '), columns - 7))
    .map((line, i) => `  ${(i === 0 ? label : '').padEnd(5)}${line}`)

/** Returns the card of an error that is not a `Problem`: a bug in provision. */
export const defectCard = (error: unknown, { paint }: View): string => {
  const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return `${[
    `${paint.red('✖')} ${paint.bold('provision')}  ${words(what.split('\n')[0] ?? '')}`,
    '  why  this is a bug in provision, not in your project',
    '  fix  run the command again with --debug and report the output',
  ].join('\n')}\n`
}
