import { describe, expect, test } from 'vitest'
import {
  count,
  duration,
  hanging,
  inLine,
  neutralized,
  truncate,
  visible,
  width,
  words,
  wrap,
  wrapWords,
} from '../../../src/report/text.ts'
import { painter } from '../../../src/report/view.ts'

describe('text from a host cannot control the terminal', () => {
  test.each([
    ['an escape sequence', 'a\x1b[2Jb', 'a␛[2Jb'],
    ['a carriage return', 'ok\rno', 'ok␍no'],
    ['a bell and DEL', '\x07\x7f', '␇␡'],
    ['a C1 control', 'a\x9b31mb', 'a�31mb'],
    ['a mark that reverses the reading direction', 'user\u202eadmin', 'user�admin'],
    ['a zero-width character', 'ro\u200bot', 'ro�ot'],
    ['a line separator', 'a\u2028b', 'a�b'],
    ['newlines and tabs stay', 'a\n\tb', 'a\n\tb'],
  ])('%s', (_, text, shown) => {
    expect(visible(text)).toBe(shown)
  })

  test('a name stays on one line, and text of several lines is indented', () => {
    expect(inLine('/srv/x\n✔ Nothing to do')).toBe('/srv/x⏎✔ Nothing to do')
    expect(hanging('first\n✔ Nothing to do\n')).toBe('first\n  ✔ Nothing to do')
  })

  test('output keeps the colours of provision, and no other escape sequence', () => {
    const { red, bold } = painter(true)
    expect(neutralized(`${red('✖')} ${bold('x')}\n`)).toBe(`${red('✖')} ${bold('x')}\n`)
    expect(neutralized('\x1b[?25h')).toBe('\x1b[?25h')
    expect(neutralized('a\x1b[2Jb\x1b[8mc\x1b]0;title\x07d\x9b31me')).toBe('a␛[2Jb␛[8mc␛]0;title␇d�31me')
  })

  test('colours of a host are removed', () => {
    expect(words('\x1b[31mnginx: [emerg]\x1b[0m\r\nend')).toBe('nginx: [emerg]\nend')
  })
})

describe('columns', () => {
  test.each([
    ['nginx', 5],
    ['漢字', 4],
    ['e\u0301', 1],
    ['✔ 🚀', 4],
    ['', 0],
  ])('%s takes %i', (text, columns) => {
    expect(width(text)).toBe(columns)
  })

  test('a wrapped line is complete and no piece is too wide', () => {
    const line = 'abc漢字def🚀ghi'
    const pieces = wrap(line, 4)
    expect(pieces.join('')).toBe(line)
    expect(pieces.filter((piece) => width(piece) > 4)).toEqual([])
  })

  test('prose is wrapped between words, and a long word is split', () => {
    expect(wrapWords('  indented text that wraps', 15)).toEqual(['  indented text', 'that wraps'])
    expect(wrapWords('see /a/very/long/path/name now', 12)).toEqual(['see', '/a/very/long', '/path/name', 'now'])
    expect(wrapWords('', 12)).toEqual([''])
  })

  test('a truncated line ends with an ellipsis', () => {
    expect(truncate('installing nginx', 10)).toBe('installin…')
    expect(truncate('nginx', 10)).toBe('nginx')
    expect(width(truncate('漢字漢字', 6))).toBeLessThanOrEqual(6)
  })
})

test.each([
  [40, '0.0 s'],
  [1_440, '1.4 s'],
  [9_960, '10 s'],
  [59_600, '1 min 00 s'],
  [184_000, '3 min 04 s'],
])('%i ms are %s', (ms, text) => {
  expect(duration(ms)).toBe(text)
})

test('one change, two changes', () => {
  expect([count(1, 'change'), count(2, 'change'), count(0, 'change')]).toEqual(['1 change', '2 changes', '0 changes'])
})
