import { stripVTControlCharacters } from 'node:util'
import { showHidden } from '../hidden.ts'
import { redacted } from '../secret/secret.ts'
import type { View } from './view.ts'

/**
 * Replaces control characters and invisible characters with symbols (`␛`). Diffs use it, because it hides nothing.
 * Secrets are masked here, before the text is split into lines: a secret may span several lines.
 */
export const visible = (text: string): string => showHidden(redacted(text))

/** Like `visible`, on one line. A line break in a name from a host could imitate a line of provision's output. */
export const inLine = (text: string): string => visible(text).replaceAll('\n', '⏎')

/** Indents all lines but the first, so that none can imitate a line of provision's output. */
export const hanging = (text: string): string => words(text.trimEnd()).replaceAll('\n', '\n  ')

/** Escape sequences that provision itself prints: the colours of `painter`, and `main` showing the cursor. */
const OWN_SEQUENCES = /(\x1b\[(?:1|2|22|3[1-46]|39)m|\x1b\[\?25h)/

/** Returns a text after a sign, wrapped at words, then the hosts that it is about. No line of the text can imitate a line of provision's output. */
export const bullet = (sign: string, text: string, hosts: readonly string[], { paint, columns }: View): readonly string[] => {
  const lines = words(text.trimEnd())
    .split('\n')
    .flatMap((line) => wrapWords(line, columns - 2))
  const names = inLine(hosts.join(' '))
  const fits = width(lines.at(-1) ?? '') + 4 + width(names) <= columns
  const all = lines.map((line, i) => `${i === 0 ? sign : ' '} ${line}`)
  if (names === '') return all
  if (fits) return [...all.slice(0, -1), `${all.at(-1)}${paint.dim(`  ${names}`)}`]
  return [...all, ...wrapWords(names, columns - 2).map((piece) => `  ${paint.dim(piece)}`)]
}

/** Makes all escape sequences visible except those that provision itself prints. */
export const neutralized = (text: string): string =>
  text
    .split(OWN_SEQUENCES)
    .map((part, i) => (i % 2 === 1 ? part : showHidden(part)))
    .join('')

/** Removes the colours of a text from a host, and makes other control characters visible. */
export const words = (text: string): string => visible(stripVTControlCharacters(text).replaceAll('\r\n', '\n'))

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' })
// Wide blocks of Unicode's East Asian Width, and emoji.
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u
const NARROW = /^[\x20-\x7e]*$/
const EMPTY = /^[\p{Mark}\u200b-\u200d\ufeff]*$/u

const graphemeWidth = (grapheme: string): number => (EMPTY.test(grapheme) ? 0 : WIDE.test(grapheme) ? 2 : 1)

/** Returns the columns that a text without colours takes on a terminal. */
export const width = (text: string): number =>
  NARROW.test(text) ? text.length : [...graphemes.segment(text)].reduce((sum, { segment }) => sum + graphemeWidth(segment), 0)

/** Splits a line into pieces of at most `columns`. */
export const wrap = (line: string, columns: number): readonly string[] => {
  if (width(line) <= columns) return [line]
  const pieces: string[] = []
  let piece = ''
  let used = 0
  for (const { segment } of graphemes.segment(line)) {
    const columnsOfGrapheme = graphemeWidth(segment)
    if (used + columnsOfGrapheme > columns && piece !== '') {
      pieces.push(piece)
      piece = ''
      used = 0
    }
    piece += segment
    used += columnsOfGrapheme
  }
  return [...pieces, piece]
}

/** Splits a line between words into lines of at most `columns`; a longer word is split as in `wrap`. The first line's indentation is kept. */
export const wrapWords = (line: string, columns: number): readonly string[] => {
  if (width(line) <= columns) return [line]
  const lines: string[] = []
  let current = ''
  for (const word of line.split(/(?<=\S) /)) {
    const extended = current === '' ? word : `${current} ${word}`
    if (width(extended) <= columns) current = extended
    else {
      const pieces = wrap(word, columns)
      if (current !== '') lines.push(current)
      lines.push(...pieces.slice(0, -1))
      current = pieces.at(-1) ?? ''
    }
  }
  return [...lines, current]
}

/** Truncates a line to `columns` and ends it with `…`. Only for lines that are rewritten soon, or lists with a count. */
export const truncate = (line: string, columns: number): string =>
  width(line) <= columns ? line : `${wrap(line, Math.max(columns - 1, 1))[0]}…`

export const pad = (text: string, columns: number): string => text + ' '.repeat(Math.max(columns - width(text), 0))

/** `0.4 s`, `12 s`, `3 min 04 s`. */
export const duration = (ms: number): string => {
  if (ms < 9_950) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`
}

/** `1 change`, `3 changes`. */
export const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`
