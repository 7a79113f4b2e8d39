import { expect, test } from 'vitest'
import { Banner } from '../../../../src/host/shell/banner.ts'

const WORD = 'a1b2c3d4'

test.each([1, 3, 7, 8, 9, 100])('the word is found, and nothing behind it lost, in pieces of %i bytes', (size) => {
  const bytes = Buffer.from(`Welcome!\na1b2c3\n${WORD}behind ${WORD}`)
  const banner = new Banner(WORD)
  let behind = ''
  for (let at = 0; at < bytes.length; at += size) behind += banner.push(bytes.subarray(at, at + size))
  expect(behind).toBe(`behind ${WORD}`)
  expect(banner.isOver).toBe(true)
})

test.each([1, 3])('a word at the beginning of the output is found in pieces of %i bytes', (size) => {
  const banner = new Banner(WORD)
  let behind = ''
  for (let at = 0; at < WORD.length + 3; at += size) behind += banner.push(Buffer.from(`${WORD}in\n`).subarray(at, at + size))
  expect([behind, banner.isOver]).toEqual(['in\n', true])
})

test('the output instead of the word is kept for messages', () => {
  const banner = new Banner(WORD)
  banner.push(Buffer.from('This account is '))
  banner.push(Buffer.from('not available.\n'))
  expect(banner.isOver).toBe(false)
  expect(banner.text).toBe('This account is not available.\n')
})

test('only the end of a hundred megabytes before the word is kept', () => {
  const piece = Buffer.alloc(32 * 1024, 'x')
  const banner = new Banner(WORD)
  let most = 0
  for (let pushed = 0; pushed < 100 * 1024 * 1024; pushed += piece.length) {
    expect(banner.push(piece)).toHaveLength(0)
    if (pushed % (10 * 1024 * 1024) === 0) most = Math.max(most, banner.text.length)
  }
  expect(most).toBeLessThanOrEqual(65_536)
  expect(banner.text).toHaveLength(65_536)
  banner.push(Buffer.from(`the end of it ${WORD.slice(0, 5)}`))
  expect(banner.push(Buffer.from(`${WORD.slice(5)}on`)).toString()).toBe('on')
})
