import { Problem, placeOf } from '../problem.ts'
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
const isReadable = (key: string): boolean => key !== '' && !/^[[…]/.test(key)

/** Returns one card per problem. A problem in a file that several hosts share is printed once, and so is one that several hosts have alike. */
export const cards = (problems: readonly Problem[], view: View): string =>
  `${alike(distinct(problems))
    .map((problem) => cardLines(problem, view).join('\n'))
    .join('\n\n')}\n`

/** Merges the problems of whole hosts that differ only in names, addresses and fingerprints. */
const alike = (problems: readonly Problem[]): readonly Problem[] => {
  const groups = Map.groupBy(problems, (problem) => {
    const { what, why, fix } = genericParts(problem)
    return isOfHost(problem) ? JSON.stringify([problem.class, what, why, fix]) : problem
  })
  return [...groups.values()].flatMap(([first, ...others]) => {
    if (first === undefined) return []
    return others.length === 0 ? [first] : [merged(first, [first, ...others])]
  })
}

const isOfHost = ({ where }: Problem): boolean => 'host' in where && where.role === undefined && where.resource === undefined

const hostOf = ({ where }: Problem): string => ('host' in where ? where.host : '')

const merged = (first: Problem, all: readonly Problem[]): Problem => {
  const same = (part: 'what' | 'why' | 'fix'): boolean => all.every((problem) => problem[part] === first[part])
  const generic = genericParts(first)
  return new Problem({
    class: first.class,
    where: { host: all.map(hostOf).join(' ') },
    what: same('what') ? first.what : generic.what,
    // The reason keeps the values of one host, because people compare addresses and fingerprints.
    why: first.why === undefined || same('why') ? first.why : `${hostOf(first)}: ${first.why}`,
    fix: same('fix') ? first.fix : generic.fix,
  })
}

/** The texts of a problem with placeholders for what differs between hosts: `host key of HOST is not known`. */
const genericParts = (problem: Problem): { readonly what: string; readonly why: string; readonly fix: string } => {
  const host = hostOf(problem)
  const generic = (text: string): string =>
    text
      .replace(/SHA256:[A-Za-z0-9+/]+/g, 'FINGERPRINT')
      .replace(/(?<![\w.])\d{1,3}(\.\d{1,3}){3}(?![\w.])|(?<![\w:])[0-9a-f]{1,4}(:[0-9a-f]{0,4}){2,7}(?![\w:])/gi, 'ADDRESS')
      .split(host === '' ? /(?!)/ : new RegExp(`(?<![\\w.-])${host.replace(/[^\w]/g, '\\$&')}(?![\\w-])`))
      .join('HOST')
  return { what: generic(problem.what), why: generic(problem.why ?? ''), fix: generic(problem.fix) }
}

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
