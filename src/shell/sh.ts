import { type Insertion, PositionCheck, ShellSyntaxError } from './position.ts'
import { quote, quoteAlways } from './quote.ts'
import { raw, Script } from './script.ts'

/** A value that `sh` inserts: words, which it quotes, or scripts, which it inserts as they are. */
export type ShellValue = string | number | Script | readonly (string | number)[] | readonly Script[]

/**
 * A shell script: sh`systemctl start -- ${unit}`. Every value is quoted by itself: a string is one word, a list of strings is as many
 * words, joined by spaces. A `Script` is inserted as it is, and a list of scripts line by line.
 * @throws TypeError for a value of another type, and where a value is inside quotes, a comment or a here-document
 */
export const sh = (strings: TemplateStringsArray, ...values: readonly ShellValue[]): Script => compose(strings, values)

const compose = (strings: readonly string[], values: readonly ShellValue[]): Script => {
  const insertions: Insertion[] = []
  let text = ''
  for (const [i, piece] of strings.entries()) {
    if (piece === undefined) throw new ShellSyntaxError('a shell script has an escape sequence that JavaScript does not know')
    text += piece
    if (i === values.length) break
    const { words, ...kind } = inserted(values[i], text.slice(-80), strings[i + 1] ?? '')
    insertions.push({ ...kind, start: text.length, end: text.length + words.length })
    text += words
  }
  return new Script(text, { isBalanced: true, endsLine: new PositionCheck(text, insertions).check() })
}

/** Values or scripts with a separator between them: join(sh` && `, conditions). */
export const join = (separator: Script, values: readonly ShellValue[]): Script => {
  const parts = values.flatMap((value, i) => (i === 0 ? [value] : [separator, value]))
  return compose(Array<string>(parts.length + 1).fill(''), parts)
}

/** A word that the shell expands to every path that matches: `*` is a wildcard, everything else is quoted. */
export const glob = (pattern: string): Script =>
  new Script(
    pattern
      .split('*')
      .map((word) => (word === '' ? '' : quote(word)))
      .join('*'),
    { isBalanced: true, endsLine: false },
  )

/** Text as the standard input of the command before it, which must end its line there. `end` is the word after the text. */
export const hereDocument = (text: string, end = 'END'): Script => {
  const body = text === '' || text.endsWith('\n') ? text : `${text}\n`
  const lines = body.split('\n')
  const word = [end, ...LETTERS].find((mark) => !lines.some((line) => isMistaken(line, mark)))
  if (word === undefined) throw new ShellSyntaxError('every letter begins a line of this text, before a character outside of ASCII')
  if (text.includes('\0')) throw new ShellSyntaxError('a NUL byte cannot be part of a here-document')
  return sh`${raw(`<<'${word}'\n${body}${word}`)}`
}

const LETTERS = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ']

/**
 * Whether a line ends a here-document of this mark, or loses a byte: dash 0.5.12 drops a byte above 127 that follows the mark, or its first
 * letters, at the beginning of a line.
 */
const isMistaken = (line: string, mark: string): boolean => {
  if (line === mark) return true
  let same = 0
  while (same < mark.length && line[same] === mark[same]) same += 1
  return same > 0 && line.charCodeAt(same) > 127
}

interface Inserted {
  readonly words: string
  readonly content: Insertion['content']
  readonly endsLine: boolean
}

const inserted = (value: ShellValue | undefined, before: string, after: string): Inserted => {
  if (value instanceof Script) return { words: value.text, content: value.isBalanced ? 'script' : 'raw', endsLine: value.endsLine }
  if (!Array.isArray(value)) {
    const words = wordOf(value, before, after)
    return { words, content: typeof value === 'number' && words === String(value) ? 'number' : 'words', endsLine: false }
  }
  if (value.length > 0 && value.every((one) => one instanceof Script)) return fragments(value)
  const words = value.map((one, i) => wordOf(one, i === 0 ? before : ' ', i === value.length - 1 ? after : ' '))
  return { words: words.join(' '), content: 'words', endsLine: false }
}

const fragments = (scripts: readonly Script[]): Inserted => ({
  words: scripts.join('\n'),
  content: scripts.every(({ isBalanced }) => isBalanced) ? 'script' : 'raw',
  endsLine: scripts.at(-1)?.endsLine ?? false,
})

// Quoted, these are words like any other: also as the pattern of a `case`.
const RESERVED = /^(if|then|else|elif|fi|do|done|case|esac|while|until|for|in)$/
// Where a command begins, this would set a variable.
const ASSIGNMENT = /^[A-Za-z_][A-Za-z0-9_]*=/
const BEFORE_COMMAND =
  /(^|[\n;&|(){!]|\b(if|then|else|elif|do|while|until)\b)[ \t]*([A-Za-z_][A-Za-z0-9_]*=([^\s'"]|'[^']*'|"[^"]*")*[ \t]+)*$/

const wordOf = (value: unknown, before: string, after: string): string => {
  if (typeof value === 'number' && Number.isFinite(value)) return digits(String(value), after)
  if (typeof value !== 'string')
    throw new ShellSyntaxError(`a value of a shell script is ${describe(value)}: ${JSON.stringify(before.slice(-60))}`)
  if (RESERVED.test(value) || (ASSIGNMENT.test(value) && BEFORE_COMMAND.test(before))) return quoteAlways(value)
  return digits(value, after)
}

// `echo 2>file` would redirect the errors of `echo`.
const digits = (word: string, after: string): string => (/^\d+$/.test(word) && /^[<>]/.test(after) ? quoteAlways(word) : quote(word))

const describe = (value: unknown): string => {
  if (value === null || value === undefined) return String(value)
  return typeof value === 'number' ? String(value) : `not a word but ${Array.isArray(value) ? 'a list' : `of type ${typeof value}`}`
}
