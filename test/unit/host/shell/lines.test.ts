import { expect, test } from 'vitest'
import { Lines, MAX_LINE } from '../../../../src/host/shell/lines.ts'

const told = (pieces: readonly string[]): readonly string[] => {
  const all: string[] = []
  const lines = new Lines((line, goesOn) => all.push(goesOn ? `${line}…` : line))
  for (const piece of pieces) lines.push(piece)
  lines.end()
  return all
}

test.each<[readonly string[], readonly string[]]>([
  [['one\ntwo\n'], ['one', 'two']],
  [
    ['o', 'ne\nt', 'wo'],
    ['one', 'two'],
  ],
  [
    ['\n', '\n', 'x'],
    ['', '', 'x'],
  ],
  [[''], []],
])('%j comes as %j', (pieces, lines) => {
  expect(told(pieces)).toEqual(lines)
})

test('a long line is emitted in parts without loss, and no character is split', () => {
  const text = `${'x'.repeat(MAX_LINE - 1)}😀${'y'.repeat(MAX_LINE)}`
  const parts = told([text, '\nnext\n'])
  expect(parts.map((part) => part.replace('…', '')).join('')).toBe(`${text}next`)
  expect(parts.map((part) => part.endsWith('…'))).toEqual([true, true, false, false])
  expect(parts[0]).toBe(`${'x'.repeat(MAX_LINE - 1)}…`)
})

test('a character whose second half is the last that fits stays whole', () => {
  const [first, second] = told([`${'x'.repeat(MAX_LINE - 2)}\u{10000}y`])
  expect([first, second]).toEqual([`${'x'.repeat(MAX_LINE - 2)}\u{10000}…`, 'y'])
  for (const last of ['\u{10000}', '\u{10ffff}'])
    expect(told([`${'x'.repeat(MAX_LINE - 1)}${last}`])).toEqual([`${'x'.repeat(MAX_LINE - 1)}…`, last])
})

test('a line of exactly the maximum length is not partial', () => {
  expect(told(['z'.repeat(65_536), '\n'])).toEqual(['z'.repeat(65_536)])
  expect(told(['z'.repeat(65_537), '\n'])).toEqual([`${'z'.repeat(65_536)}…`, 'z'])
})

test('a line of a hundred megabytes never occupies more memory than one part', () => {
  const piece = 'x'.repeat(32 * 1024)
  let heard = 0
  let longest = 0
  const lines = new Lines((part) => {
    heard += part.length
    longest = Math.max(longest, part.length)
  })
  let held = 0
  for (let pushed = piece.length; pushed <= 100 * 1024 * 1024; pushed += piece.length) {
    lines.push(piece)
    held = Math.max(held, pushed - heard)
  }
  lines.end()
  expect(heard).toBe(100 * 1024 * 1024)
  expect(longest).toBe(MAX_LINE)
  expect(held).toBe(MAX_LINE)
})
