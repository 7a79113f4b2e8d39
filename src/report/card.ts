import { type Problem, placeOf } from '../problem.ts'
import { inLine, words, wrap } from './text.ts'
import type { View } from './view.ts'

/** A problem as people read it: where and what, then why, then what to do. */
export const cardLines = (problem: Problem, { paint, columns }: View): readonly string[] => {
  const place = inLine(placeOf(problem.where))
  const key = 'file' in problem.where && problem.where.key !== undefined ? `  ${inLine(problem.where.key)}` : ''
  return [
    `${paint.red('✖')} ${paint.bold(place)}${key}`,
    ...labelled('what', problem.what, columns).map((line) => line),
    ...(problem.why === undefined ? [] : labelled('why', problem.why, columns).map(paint.dim)),
    ...labelled('fix', problem.fix, columns),
  ]
}

/** All of them, each a card. The very same of several hosts is told for each of them; one in a file that all use is told once. */
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
    .flatMap((line) => wrap(line.replaceAll('\t', '  '), columns - 7))
    .map((line, i) => `  ${(i === 0 ? label : '').padEnd(5)}${line}`)

/** Something that should not have happened: our fault, and said so. */
export const defectCard = (error: unknown, { paint }: View): string => {
  const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return `${[
    `${paint.red('✖')} ${paint.bold('provision')}  ${words(what.split('\n')[0] ?? '')}`,
    '  why  this is a defect of provision, not of your project',
    '  fix  run the same with --debug, and report what it prints',
  ].join('\n')}\n`
}
