import { describe, expect, it } from 'vitest'
import { covers, readPosition } from '../../../../src/resource/database/gtid.ts'

describe('a position of MariaDB', () => {
  it.each([
    ['0-1-490', '0-1-490', true],
    ['0-1-491', '0-2-490', true],
    ['0-1-489', '0-1-490', false],
    ['', '', true],
    ['0-1-3', '', true],
    ['', '0-1-3', false],
    ['0-1-9,1-2-3', '1-2-3', true],
    ['0-1-9', '1-2-3', false],
    ['0-1-18446744073709551615', '0-1-18446744073709551614', true],
  ])('%s has everything of %s: %s', (has, wanted, answer) => expect(covers(has, wanted)).toBe(answer))

  it.each(['0-1', 'x', '0-1-2;', "0-1-2'"])('is not read from %s', (text) =>
    expect(() => readPosition(text)).toThrow('is not a MariaDB position'),
  )
})
