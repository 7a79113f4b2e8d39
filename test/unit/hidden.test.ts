import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { escapeHidden, hasControls, showHidden } from '../../src/hidden.ts'

/** One character of each kind that a terminal interprets or a reader does not see. */
const HIDDEN: readonly (readonly [string, string])[] = [
  ['an escape', '\x1b'],
  ['DEL', '\x7f'],
  ['a C1 control, which begins a sequence on many terminals', '\x9b'],
  ['the next line of C1', '\x85'],
  ['a right-to-left override', '\u202e'],
  ['an isolate', '\u2066'],
  ['a direction mark', '\u200f'],
  ['the Arabic letter mark', '\u061c'],
  ['a line separator', '\u2028'],
  ['a paragraph separator', '\u2029'],
  ['a zero-width space', '\u200b'],
  ['a word joiner', '\u2060'],
  ['a byte order mark', '\ufeff'],
  ['a soft hyphen', '\u00ad'],
  ['an invisible operator', '\u2063'],
  ['an interlinear annotation', '\ufff9'],
  ['a Hangul filler, which is a letter', '\u3164'],
  ['a Mongolian vowel separator', '\u180e'],
  ['a tag', '\u{e0041}'],
  ['a selector behind a letter', '\u{e0100}'],
]

describe.each(HIDDEN)('%s', (_, hidden) => {
  test('is escaped in JSON and survives parsing', () => {
    const value = { [`key${hidden}`]: [`a${hidden}b`] }
    const line = escapeHidden(JSON.stringify(value))
    expect(line).toMatch(/^[\x20-\x7e]*$/)
    expect(line.toLowerCase()).toContain(`\\u${hidden.charCodeAt(0).toString(16).padStart(4, '0')}`)
    expect(JSON.parse(line)).toEqual(value)
  })

  test('is a visible symbol in text', () => {
    expect(showHidden(`ro${hidden}ot`)).toMatch(/^ro[␀-␡�]ot$/)
  })
})

test('scripts, accents and emoji stay unchanged', () => {
  for (const text of [
    'Grüße, Łódź',
    'e\u0301',
    'שלום',
    'می\u200cخواهم',
    'क्\u200dष',
    '漢字',
    '👩🏽\u200d🚒 ❤\ufe0f 1\ufe0f\u20e3 🇫🇷',
    'a\n\tb',
  ])
    expect(showHidden(text)).toBe(text)
})

test('any JSON survives, without hidden characters', { timeout: 30_000 }, () => {
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: 'binary' }), (value) => {
      const line = escapeHidden(JSON.stringify(value))
      expect(JSON.parse(line)).toEqual(JSON.parse(JSON.stringify(value)))
      expect(line).not.toMatch(/[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u)
    }),
    { numRuns: 100 },
  )
})

test('line breaks of indented JSON stay', () => {
  expect(escapeHidden(JSON.stringify({ a: ['\u202e'] }, null, 1))).toBe('{\n "a": [\n  "\\u202e"\n ]\n}')
})

test('control characters and line separators are detected', () => {
  expect(['a\nb', 'a\rb', 'a\0', '\x85', '\u2028', '\x7f'].map(hasControls)).toEqual(Array(6).fill(true))
  expect(['', 'a b', '100% "x" \\ ünï \u202e'].map(hasControls)).toEqual([false, false, false])
})
