import type { Command, CommandEntry, Option, Options } from '../command.ts'
import { commonOptions } from '../parse.ts'
import { wordsAt } from './words-at.ts'

/** A word that can stand at the cursor, and one line about it. */
export interface Candidate {
  readonly word: string
  readonly text: string
}

/** The commands, and names of a project. Each of these is read only if the cursor is where it can stand. */
export interface Names {
  readonly commands: Readonly<Record<string, CommandEntry>>
  hosts(): Promise<readonly Candidate[]>
  /** Hosts, groups and `all`. */
  patterns(): Promise<readonly Candidate[]>
  roles(): Promise<readonly Candidate[]>
  kinds(): Promise<readonly Candidate[]>
  playbooks(): Promise<readonly Candidate[]>
}

/** Returns the words that can stand at the end of a command line, those that begin with its last word. */
export const candidatesFor = async (line: string, names: Names): Promise<readonly Candidate[]> => {
  const { before, current, prefix } = wordsAt(line)
  const all = await possible(before, current, names)
  return all.flatMap(({ word, text }) => (word.startsWith(current) ? [{ word: `${prefix}${word}`, text }] : []))
}

const possible = async ([name, ...before]: readonly string[], current: string, names: Names): Promise<readonly Candidate[]> => {
  if (name === undefined) return Object.entries(names.commands).map(([word, { summary }]) => ({ word, text: summary }))
  const entry: CommandEntry | undefined = Object.hasOwn(names.commands, name) ? names.commands[name] : undefined
  if (entry === undefined) return []
  const { command } = await entry.load()
  const options: Options = { ...command.options, ...commonOptions }
  const optionOf = (word: string) =>
    Object.entries(options).find(([long, { short }]) => word === `--${long}` || (short !== undefined && word === `-${short}`))
  const takesValue = (word: string): boolean => optionOf(word)?.[1].type === 'string'
  const last = optionOf(before.at(-1) ?? '')
  if (last?.[1].type === 'string') return valuesOf(...last, names)
  if (before.includes('--')) return []
  if (current.startsWith('-')) return optionsLeft(options, before)
  const positionals = before.filter((word, i) => !word.startsWith('-') && !takesValue(before[i - 1] ?? ''))
  return positionalsOf(name, command, { positionals, names })
}

const valuesOf = (option: string, { choices, value = '' }: Option, names: Names): readonly Candidate[] | Promise<readonly Candidate[]> => {
  if (choices !== undefined) return choices.map((word) => ({ word, text: '' }))
  if (option === 'role') return names.roles()
  return value === 'PATTERN' ? names.patterns() : value === 'HOST' ? names.hosts() : []
}

const optionsLeft = (options: Options, before: readonly string[]): readonly Candidate[] =>
  Object.entries(options).flatMap(([long, { help, multiple }]) =>
    before.includes(`--${long}`) && multiple !== true ? [] : [{ word: `--${long}`, text: help }],
  )

interface Position {
  readonly positionals: readonly string[]
  readonly names: Names
}

const positionalsOf = async (name: string, { usage }: Command, { positionals, names }: Position): Promise<readonly Candidate[]> => {
  const actions = actionsOf(usage)
  const [action] = positionals
  if (actions.length > 0 && action === undefined) return actions.map((word) => ({ word, text: '' }))
  return (await BY_COMMAND[actions.length > 0 ? `${name} ${action}` : name]?.(names, positionals.length)) ?? []
}

/** Words that follow a command, from its usage: `lab down | status`, `inventory host NAME`. */
const actionsOf = (usage: readonly string[]): readonly string[] => [
  ...new Set(
    usage.flatMap((line) => {
      const [first = ''] = line.replaceAll(/\[[^\]]*\]+/g, '').split(/ (?=[A-Z]|--)/)
      return first
        .split(/[ |]+/)
        .slice(1)
        .filter((word) => /^[a-z][a-z-]*$/.test(word))
    }),
  ),
]

type Following = (names: Names, position: number) => Promise<readonly Candidate[]> | undefined

const playbooks: Following = (names) => names.playbooks()
const pattern: Following = (names, position) => (position === 0 ? names.patterns() : undefined)
const host: Following = (names) => names.hosts()

/** The names that follow a command, or a command and its action. */
const BY_COMMAND: Readonly<Record<string, Following>> = {
  run: playbooks,
  verify: playbooks,
  'schedule install': playbooks,
  'schedule print': playbooks,
  'schedule watch': playbooks,
  apply: (names, position) => (position === 1 ? names.kinds() : pattern(names, position)),
  exec: pattern,
  facts: pattern,
  fetch: pattern,
  trust: pattern,
  'inventory host': host,
  'lab reset': host,
  'lab ssh': (names, position) => (position === 1 ? names.hosts() : undefined),
  roles: (names) => names.roles(),
  kinds: (names) => names.kinds(),
}
