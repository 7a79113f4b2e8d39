import { parseArgs } from 'node:util'
import { Problem, Problems } from '../problem.ts'
import { suggestion } from '../site/source/suggest.ts'
import type { Arguments, Command, Option, Options } from './command.ts'

/** Options that every command takes. */
export const everywhere = {
  help: { type: 'boolean', short: 'h', help: 'print this help' },
  version: { type: 'boolean', help: 'print the version' },
  debug: { type: 'boolean', help: 'print the stack of an error as well' },
} as const satisfies Options

/** Reads a command's arguments by its options; all that is wrong with them is told at once. */
export const parseArguments = (
  name: string,
  argv: readonly string[],
  { options, words: most = Number.POSITIVE_INFINITY, passesOn = false }: Pick<Command, 'options' | 'words' | 'passesOn'>,
): Arguments<Options> => {
  const known: Options = { ...options, ...everywhere }
  const config = Object.fromEntries(
    Object.entries(known).map(([option, { type, short, multiple }]) => [
      option,
      { type, ...(short === undefined ? {} : { short }), ...(multiple === undefined ? {} : { multiple }) },
    ]),
  )
  // Not strict, so that we can say it in our own words, and all of it.
  const { tokens, values, positionals } = parseArgs({
    args: [...argv],
    options: config,
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  const given = tokens.filter((token) => token.kind === 'option')
  const end = tokens.find(({ kind }) => kind === 'option-terminator')?.index ?? Number.POSITIVE_INFINITY
  const before = passesOn ? tokens.filter(({ kind, index }) => kind === 'positional' && index < end).length : positionals.length
  const words = positionals.slice(0, before)
  const problems = [
    ...given.flatMap((token) => faults(name, token, known)),
    ...repeated(given, known).map((rawName) => wrong(name, `${rawName} is given twice`, 'keep one of the two')),
    ...(words.includes('') ? [wrong(name, 'one of its words is empty', 'write it, or leave it out')] : []),
    ...words.slice(most).map((word) => wrong(name, `it takes no ${word}`, `provision ${name} --help says what it takes`)),
  ]
  if (problems.length > 0) throw new Problems(problems)
  return { positionals: words, rest: positionals.slice(before), values: values as Arguments<Options>['values'] }
}

/** Options of which only the last value would count. */
const repeated = (tokens: readonly OptionToken[], known: Options): readonly string[] =>
  tokens.flatMap(({ name, rawName }, i) => {
    const { type, multiple } = known[name] ?? {}
    return type === 'string' && multiple !== true && tokens.findIndex((other) => other.name === name) < i ? [rawName] : []
  })

interface OptionToken {
  readonly name: string
  readonly rawName: string
  readonly value: string | undefined
  readonly inlineValue: boolean | undefined
}

const faults = (command: string, token: OptionToken, known: Options): readonly Problem[] => {
  const { name, rawName, value } = token
  const option = Object.hasOwn(known, name) ? known[name] : undefined
  if (option === undefined) {
    const names = Object.keys(known).map((each) => `--${each}`)
    return [
      wrong(command, `${rawName} is not an option of it`, suggestion(rawName, names, `provision ${command} --help names its options`)),
    ]
  }
  if (option.type === 'boolean') {
    return value === undefined ? [] : [wrong(command, `${rawName} takes no value`, `write ${rawName} alone`)]
  }
  return valueFaults(command, token, option)
}

const valueFaults = (
  command: string,
  { rawName, value, inlineValue }: OptionToken,
  { value: placeholder = 'VALUE', choices }: Option,
): readonly Problem[] => {
  if (value === undefined || value === '' || (inlineValue !== true && value.startsWith('-') && value !== '-')) {
    return [wrong(command, `${rawName} needs a value`, `write ${rawName} ${placeholder}`)]
  }
  if (choices !== undefined && !choices.includes(value)) {
    return [wrong(command, `${rawName} cannot be "${value}"`, suggestion(value, choices, 'choose another'))]
  }
  return []
}

/** A command line that is wrong: an input problem, so that nothing was touched. */
export const wrong = (command: string, what: string, fix: string): Problem =>
  new Problem({ class: 'input', where: { command: `provision ${command}`.trim() }, what, fix })
