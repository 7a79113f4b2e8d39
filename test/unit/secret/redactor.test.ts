import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { formsOf } from '../../../src/secret/forms.ts'
import { Forms, Redactor } from '../../../src/secret/redactor.ts'
import { MASK, redacted, Secret } from '../../../src/secret/secret.ts'
import { quote } from '../../../src/shell/quote.ts'

const secret = 'gehe!m "w\'rt"/+ü$x'
const redactorOf = (...values: readonly string[]): Redactor => {
  const forms = new Forms(values.flatMap(formsOf))
  return new Redactor(() => forms)
}
const shown = (text: string, ...values: readonly string[]): string => {
  const redactor = redactorOf(...values)
  return redactor.push(text) + redactor.end()
}
const base64 = (text: string): string => Buffer.from(text).toString('base64')

describe('a secret is masked', () => {
  test.each<[string, string]>([
    ['as it is', secret],
    ['in base64 at the beginning', base64(`${secret}and more`)],
    ['in base64 after one byte', base64(`x${secret}and more`)],
    ['in base64 after two bytes', base64(`xy${secret}and more`)],
    ['in base64 as the end', base64(`user:${secret}`)],
    ['in base64url', Buffer.from(`a${secret}`).toString('base64url')],
    ['in hex', Buffer.from(secret).toString('hex')],
    ['in capital hex', Buffer.from(secret).toString('hex').toUpperCase()],
    ['in JSON', JSON.stringify({ secret })],
    ['in JSON of Python', '"gehe!m \\"w\'rt\\"/+\\u00fc$x"'],
    ['in JSON of PHP', '"gehe!m \\"w\'rt\\"\\/+\\u00fc$x"'],
    ['in JSON of PHP with UTF-8', '"gehe!m \\"w\'rt\\"\\/+ü$x"'],
    ['in JSON of a program that knows no UTF-8', JSON.stringify(Buffer.from(secret).toString('latin1'))],
    ['in a URL', `https://u:${encodeURIComponent(secret)}@host/`],
    ['in a URL of Python', 'gehe%21m%20%22w%27rt%22%2F%2B%C3%BC%24x'],
    ['in a URL with lower-case digits', "gehe!m%20%22w'rt%22%2f%2b%c3%bc%24x"],
    ['in a form', new URLSearchParams({ secret }).toString()],
    ['quoted for a shell', quote(secret)],
    ['quoted for a shell in the other way', `"${secret.replace(/[\\"$`]/g, '\\$&')}"`],
    ['quoted by Python', `'gehe!m "w'"'"'rt"/+ü$x'`],
    ['quoted by Ruby', String.raw`gehe\!m\ \"w\'rt\"/+\ü\$x`],
    ['quoted by bash', spawnSync('bash', ['-c', 'printf %q "$0"', 'pass wort;$x'], { encoding: 'utf8' }).stdout],
  ])('%s', (_, text) => {
    const left = shown(`before ${text} after`, secret, 'pass wort;$x')
    expect(left).toContain(MASK)
    expect(left).toMatch(/^before .* after$/)
    // No encoding of six consecutive characters is left.
    for (const piece of ['gehe!m', "w'rt", 'wort', base64('gehe!m').slice(0, 8), Buffer.from('gehe!m').toString('hex')])
      expect(left).not.toContain(piece)
  })

  it('in each of its lines', () => {
    const pem = '-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqG\nSM49AgEGCCqGSM49\n-----END PRIVATE KEY-----\n'
    expect(shown('line 2: MIGHAgEAMBMGByqG, -----BEGIN PRIVATE KEY-----', pem)).toBe(`line 2: ${MASK}, -----BEGIN PRIVATE KEY-----`)
    expect(shown(pem, pem).trim()).toBe(MASK)
    expect(shown('[qwert6] [qwer5]', 'the first line\nqwert6\nqwer5\nthe last line')).toBe(`[${MASK}] [qwer5]`)
  })

  it('as a whole in JSON, also with control characters', () => {
    for (const value of [secret, 'a/b\x01c\x1f"d', 'line\u2028/end "x'])
      expect(shown(JSON.stringify({ value }), value)).toBe(`{"value":"${MASK}"}`)
  })

  it('as one, if it overlaps another', () => {
    expect(shown('<abcdef12xyz9>', 'abcdef12', 'ef12xyz9')).toBe(`<${MASK}>`)
    expect(shown('<abcdef12xyz9>', 'abcdef12xyz9', 'def12x')).toBe(`<${MASK}>`)
    expect(shown('<abcdef12ef12xyz9>', 'abcdef12', 'ef12xyz9')).toBe(`<${MASK}${MASK}>`)
  })

  it('twice in a text that ends within a third one', () => {
    const redactor = redactorOf('abcdef12', 'ef12xyz9')
    expect(redactor.push('<abcdef12> <abcdef12> abcdef12xy')).toBe(`<${MASK}> <${MASK}> `)
    expect(redactor.push('z9>') + redactor.end()).toBe(`${MASK}>`)
  })

  it('wherever the chunks of a text end', { timeout: 30_000 }, () => {
    const word = fc.string({ unit: 'binary-ascii', minLength: 8, maxLength: 30 }).filter((text) => text.trim().length >= 8)
    const form = fc.constantFrom<(text: string) => string>(
      (text) => text,
      base64,
      (text) => Buffer.from(text).toString('hex'),
      encodeURIComponent,
      (text) => JSON.stringify(text),
    )
    fc.assert(
      fc.property(
        word,
        form,
        fc.string({ maxLength: 20 }),
        fc.string({ maxLength: 20 }),
        fc.array(fc.nat(80), { maxLength: 6 }),
        (value, encode, a, b, cuts) => {
          const text = a + encode(value) + b
          const redactor = redactorOf(value)
          const ends = [...cuts.map((cut) => Math.min(cut, text.length)).sort((x, y) => x - y), text.length]
          const pieces = ends.map((end, i) => redactor.push(text.slice(ends[i - 1] ?? 0, end)))
          expect(pieces.join('') + redactor.end()).toBe(shown(text, value))
          expect(pieces.join('')).not.toContain(value.trim())
        },
      ),
      { numRuns: 500 },
    )
  })

  it('also if a longer secret begins with it, and the chunk ends between', () => {
    const redactor = redactorOf('abcdefgh', 'abcdefghijkl')
    expect([redactor.push('x abcdefgh'), redactor.push('ijkl y'), redactor.end()].join('')).toBe(`x ${MASK} y`)
    expect([redactor.push('x abcdefgh'), redactor.push('iz'), redactor.end()].join('')).toBe(`x ${MASK}iz`)
  })
})

describe('text that is not secret', () => {
  it('is unchanged and not held back', () => {
    const redactor = redactorOf(secret)
    expect(redactor.push('nothing to hide\n')).toBe('nothing to hide\n')
    fc.assert(fc.property(fc.string(), (text) => shown(text) === text))
  })

  it('is not masked for a very short secret', () => {
    new Secret('yes')
    new Secret('8443')
    expect(redacted('yes, port 8443')).toBe('yes, port 8443')
    new Secret('a-real-one')
    expect(redacted('a-real-one')).toBe(MASK)
  })

  it('is not masked because it is beside a secret in the same file', () => {
    new Secret('database_settings:\n  password: x\n', true)
    expect(redacted('database_settings:')).toBe('database_settings:')
  })
})
