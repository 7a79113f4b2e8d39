import { expect, test } from 'vitest'
import { isTooShort, masked, redacted, redactor, Secret } from '../../../src/secret/secret.ts'

// Other tests of this process must not register these values.
const base64 = (text: string): string => Buffer.from(text).toString('base64')

test.each(['q', 'q7w8e', ' q7w8 ', '123456789', ' 987654321\n', 'yes', ''])('%j is too short to be masked within other text', (value) => {
  expect(isTooShort(value)).toBe(true)
  expect(JSON.stringify(new Secret(value))).toBe('"•••"')
  const text = `it is [${value}], ${base64(value)}, ${Buffer.from(value).toString('hex')}`
  expect(redacted(text)).toBe(text)
})

test.each(['zq7w8e', 'zq7w8e4', 'zq7w8e4r', '1029384756', '10293847561', '102938475612', '12345678x', '-1029384', '0.1029384'])(
  '%j is masked within other text, also encoded',
  (value) => {
    expect(isTooShort(value)).toBe(false)
    new Secret(value)
    const around = (text: string): string => redacted(`<${text}>`)
    expect(around(value)).toBe('<•••>')
    expect(around(`a${value}b`)).toBe('<a•••b>')
    for (const before of ['', 'x', 'xy']) {
      expect(around(base64(`${before}${value}-end`))).toContain('•••')
      expect(around(base64(`${before}${value}-end`))).not.toContain(base64(`${before}${value}`).slice(4, 8))
    }
    expect(around(Buffer.from(value).toString('hex'))).toBe('<•••>')
    expect(around(Buffer.from(value).toString('hex').toUpperCase())).toBe('<•••>')
    const stream = redactor()
    const pieces = [...`<${value}>`].map((character) => stream.push(character))
    expect(pieces.join('') + stream.end()).toBe('<•••>')
  },
)

test('the beginning of a short secret is held back until the next piece of a text', () => {
  new Secret('vb5n6m')
  const stream = redactor()
  expect(stream.push('the word is vb5n')).toBe('the word is ')
  expect(redactor().push('the word is vb5nX')).toBe('the word is vb5nX')
  expect(stream.push('x and vb5n6m, ') + stream.push('vb5n') + stream.end()).toBe('vb5nx and •••, vb5n')
})

test('in the output of a host, short secrets of its own are masked as well', () => {
  expect(masked('port 8443', [new Secret('8443')])).toBe('port •••')
  expect(masked('port 8443, key ab', [new Secret('8443'), new Secret('ab')])).toBe('port •••, key •••')
})
