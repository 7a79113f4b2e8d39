import { stripVTControlCharacters } from 'node:util'
import { showHidden } from '../hidden.ts'
import { redacted } from '../secret/secret.ts'

/**
 * Replaces characters that control the terminal or are invisible by symbols (`␛`). For what must be seen exactly, as in diffs.
 * Secrets are masked before the text is cut into lines, in which nobody could find them.
 */
export const visible = (text: string): string => showHidden(redacted(text))

/** The same on one line. A line break in a name that a host reports could imitate a line of this program. */
export const inLine = (text: string): string => visible(text).replaceAll('\n', '⏎')

/** Text of several lines, indented from the second on: none of them can imitate a line of this program. */
export const hanging = (text: string): string => words(text.trimEnd()).replaceAll('\n', '\n  ')

/** Sequences of this program: the colours of `painter`, and the cursor that `main` shows again. */
const OURS = /(\x1b\[(?:1|2|22|3[1-46]|39)m|\x1b\[\?25h)/

/** Output in which only this program's own sequences reach the terminal. */
export const neutralized = (text: string): string =>
  text
    .split(OURS)
    .map((part, i) => (i % 2 === 1 ? part : showHidden(part)))
    .join('')

/** A host's own words: its colours taken out, the rest made visible. */
export const words = (text: string): string => visible(stripVTControlCharacters(text).replaceAll('\r\n', '\n'))

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' })
// Wide by Unicode's East Asian Width (the blocks, not the single signs), and emoji.
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u
const NARROW = /^[\x20-\x7e]*$/
const EMPTY = /^[\p{Mark}\u200b-\u200d\ufeff]*$/u

const graphemeWidth = (grapheme: string): number => (EMPTY.test(grapheme) ? 0 : WIDE.test(grapheme) ? 2 : 1)

/** How many columns a text without colours takes on a terminal. */
export const width = (text: string): number =>
  NARROW.test(text) ? text.length : [...graphemes.segment(text)].reduce((sum, { segment }) => sum + graphemeWidth(segment), 0)

/** Cuts a line into pieces that fit; nothing is lost. */
export const wrap = (line: string, columns: number): readonly string[] => {
  if (width(line) <= columns) return [line]
  const pieces: string[] = []
  let piece = ''
  let used = 0
  for (const { segment } of graphemes.segment(line)) {
    const wide = graphemeWidth(segment)
    if (used + wide > columns && piece !== '') {
      pieces.push(piece)
      piece = ''
      used = 0
    }
    piece += segment
    used += wide
  }
  return [...pieces, piece]
}

/** A line cut to fit, with `…` where something is missing: for lines that live a moment only. */
export const cut = (line: string, columns: number): string =>
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
