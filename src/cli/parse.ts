import { parseArgs } from 'node:util'
import { Problem, Problems } from '../problem.ts'
import { suggestion } from '../site/source/suggest.ts'
import type { Arguments, Command, Option, Options } from './command.ts'
import { otherNames } from './run/other-names.ts'

/** Options of every command. */
export const commonOptions = {
  help: { type: 'boolean', short: 'h', help: 'print this help' },
  version: { type: 'boolean', help: 'print the version' },
  debug: { type: 'boolean', help: 'print stack traces of errors' },
} as const satisfies Options

/** Parses the arguments of a command by its options. Throws all problems of the command line together. */
export const parseArguments = (
  name: string,
  argv: readonly string[],
  {
    options,
    maxPositionals = Number.POSITIVE_INFINITY,
    takesCommand = false,
    commandAfter,
  }: Pick<Command, 'options' | 'maxPositionals' | 'takesCommand' | 'commandAfter'>,
): Arguments<Options> => {
  const known: Options = { ...options, ...commonOptions }
  const config = Object.fromEntries(
    Object.entries(known).map(([option, { type, short, multiple }]) => [
      option,
      { type, ...(short === undefined ? {} : { short }), ...(multiple === undefined ? {} : { multiple }) },
    ]),
  )
  // Strict mode would stop at the first error.
  const parsed = (args: readonly string[]) =>
    parseArgs({ args: [...args], options: config, strict: false, allowPositionals: true, tokens: true })
  const start = (): number | undefined => {
    const found = parsed(argv).tokens.flatMap((token) => (token.kind === 'positional' ? [token] : []))
    return found[commandAfter?.(found[0]?.value) ?? Number.POSITIVE_INFINITY]?.index
  }
  const from = commandAfter === undefined ? undefined : start()
  const { tokens, values, positionals } = parsed(
    from === undefined || argv.slice(0, from).includes('--') ? argv : [...argv.slice(0, from), '--', ...argv.slice(from)],
  )
  const given = tokens.filter((token) => token.kind === 'option')
  const terminator = tokens.find(({ kind }) => kind === 'option-terminator')?.index ?? Number.POSITIVE_INFINITY
  const ownCount = takesCommand
    ? tokens.filter(({ kind, index }) => kind === 'positional' && index < terminator).length
    : positionals.length
  const ownPositionals = positionals.slice(0, ownCount)
  const problems = [
    ...given.flatMap((token) => optionProblems(name, token, known)),
    ...repeated(given, known).map((rawName) => usageError(name, `${rawName} is given twice`, `keep one ${rawName}`)),
    ...(ownPositionals.includes('') ? [usageError(name, 'an argument is empty', 'remove it, or write its value')] : []),
    ...ownPositionals
      .slice(maxPositionals)
      .map((argument) =>
        usageError(name, `unexpected argument ${argument}`, `remove ${argument}; for the usage, run provision ${name} --help`),
      ),
  ]
  if (problems.length > 0) throw new Problems(problems)
  return { positionals: ownPositionals, rest: positionals.slice(ownCount), values: values as Arguments<Options>['values'] }
}

/** Returns options that are repeated although only one value is used. */
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

const optionProblems = (command: string, token: OptionToken, known: Options): readonly Problem[] => {
  const { name, rawName, value } = token
  const option = Object.hasOwn(known, name) ? known[name] : undefined
  if (option === undefined) {
    return [usageError(command, `unknown option ${rawName}`, optionSuggestion(rawName, known, `run provision ${command} --help`))]
  }
  if (option.type === 'boolean') {
    return value === undefined ? [] : [usageError(command, `${rawName} takes no value`, `write ${rawName} without a value`)]
  }
  return valueProblems(command, token, option)
}

/** Returns the fix for an unknown option: the option with this name in another tool, or the most similar one. */
export const optionSuggestion = (rawName: string, known: Options, fallback: string): string => {
  const names = Object.keys(known).map((each) => `--${each}`)
  const other = otherNames[rawName]
  if (other !== undefined && names.includes(other)) return `did you mean \`${other}\`?`
  const short = Object.values(known).find((option) => option.short !== undefined && `-${option.short}` === rawName.toLowerCase())?.short
  return short === undefined ? suggestion(rawName, names, fallback) : `did you mean \`-${short}\`?`
}

const valueProblems = (
  command: string,
  { rawName, value, inlineValue }: OptionToken,
  { value: placeholder = 'VALUE', choices }: Option,
): readonly Problem[] => {
  if (value === undefined || value === '' || (inlineValue !== true && value.startsWith('-') && value !== '-')) {
    return [usageError(command, `${rawName} needs a value`, `write ${rawName} ${placeholder}`)]
  }
  if (choices !== undefined && !choices.includes(value)) {
    return [usageError(command, `${rawName} does not accept "${value}"`, suggestion(value, choices, 'use another value'))]
  }
  return []
}

/** Returns an input problem with the command line. */
export const usageError = (command: string, what: string, fix: string): Problem =>
  new Problem({ class: 'input', where: { command: `provision ${command}`.trim() }, what, fix })
