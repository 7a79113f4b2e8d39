import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { formsOf } from '../../../src/secret/forms.ts'
import { Forms, Redactor } from '../../../src/secret/redactor.ts'
import { MASK } from '../../../src/secret/secret.ts'

const SECRET = `it's a "pass" of\tmore than fifty-seven bytes, as wörds go: $x \\ and 0123456789`
const KEY = `-----BEGIN PRIVATE KEY-----\n${Buffer.from(SECRET.repeat(3))
  .toString('base64')
  .replace(/.{64}/g, '$&\n')}\n-----END PRIVATE KEY-----`

const run = (command: string, input: string, ...more: readonly string[]): string => {
  const { status, stdout, stderr } = spawnSync(command, more, { input, encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return stdout
}
const bash = (words: string): string => run('bash', '', '-c', words, 'bash', SECRET)

const bytesOf = (text: string): readonly string[] => Buffer.from(text).toString('hex').match(/../g) ?? []
const rows = <T>(all: readonly T[], size: number): readonly (readonly T[])[] =>
  Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size))
const lettersOf = (row: readonly string[]): string =>
  row.map((byte) => (/[2-7]./.test(byte) && byte !== '7f' ? Buffer.from(byte, 'hex').toString('latin1') : '.')).join('')
const address = (i: number): string => (i * 16).toString(16).padStart(8, '0')

/** Output of `xxd`, `hexdump -C` and `hexdump`, which not every machine has. */
const xxd = (text: string): string =>
  rows(bytesOf(text), 16)
    .map(
      (row, i) =>
        `${address(i)}: ${rows(row, 2)
          .map((two) => two.join(''))
          .join(' ')
          .padEnd(39)}  ${lettersOf(row)}\n`,
    )
    .join('')
const canonical = (text: string): string =>
  rows(bytesOf(text), 16)
    .map((row, i) => `${address(i)}  ${`${row.slice(0, 8).join(' ')}  ${row.slice(8).join(' ')}`.padEnd(50)}|${lettersOf(row)}|\n`)
    .join('')
const swapped = (text: string): string =>
  rows(bytesOf(text), 16)
    .map(
      (row, i) =>
        `${address(i).slice(1)} ${rows(row, 2)
          .map(([one, two = '00']) => two + one)
          .join(' ')}\n`,
    )
    .join('')

const WAYS: readonly (readonly [name: string, write: (text: string) => string])[] = [
  ['base64', (text) => run('base64', text)],
  ['base64, indented', (text) => run('base64', text).replace(/^/gm, '    ')],
  ['base64, with carriage returns', (text) => run('base64', text).replaceAll('\n', '\r\n')],
  ['base64 in a diff', (text) => run('base64', text).replace(/^(?=.)/gm, '+')],
  ['base64 in a text of JSON', (text) => JSON.stringify(run('base64', text))],
  ['openssl base64', (text) => run('openssl', text, 'base64')],
  ['od -An -tx1', (text) => run('od', text, '-An', '-v', '-tx1')],
  ['od -tx1', (text) => run('od', text, '-v', '-tx1')],
  ['xxd -p', (text) => bytesOf(text).join('').replace(/.{60}/g, '$&\n')],
  ['xxd', xxd],
  ['xxd -u', (text) => xxd(text).replace(/: .{39}/g, (columns) => columns.toUpperCase())],
  ['hexdump -C', canonical],
  ['hexdump', swapped],
  ['bytes with colons', (text) => bytesOf(text).join(':')],
  [
    'bytes of a shell',
    (text) =>
      bytesOf(text)
        .map((byte) => `\\x${byte}`)
        .join(''),
  ],
  [
    'bytes of C',
    (text) =>
      bytesOf(text)
        .map((byte) => `0x${byte}`)
        .join(', '),
  ],
]

/** Characters of an encoded text without separators. Twelve consecutive ones must not be left. */
const runsOf = (text: string): readonly string[] => {
  const hex = bytesOf(text).join('')
  const all = [
    hex,
    swappedSigns(text),
    ...['', 'x', 'xy'].map((before) =>
      Buffer.from(before + text)
        .toString('base64')
        .slice(before === '' ? 0 : 4),
    ),
  ]
  return all.flatMap((signs) =>
    Array.from({ length: Math.max(0, signs.replace(/.{0,3}=*$/, '').length - 12) }, (_, i) => signs.slice(i, i + 12)),
  )
}
const swappedSigns = (text: string): string => swapped(text).replace(/^\S+|\s/gm, '')
const squeezed = (text: string): string => text.replace(/^[0-9a-f]{7,8}:? +| {2,}\S{1,16}$|\s|:|\\x|0x|,|\\n|^\+/gim, '')
const leftOf = (shown: string, secret: string): readonly string[] => {
  const text = squeezed(shown)
  return [...runsOf(secret)].filter((part) => text.includes(part) || text.toLowerCase().includes(part))
}

const formsFor = (...values: readonly string[]): Forms => new Forms(values.flatMap(formsOf))
const inPieces = (forms: Forms, pieces: readonly string[]): string => {
  const redactor = new Redactor(() => forms)
  return pieces.map((piece) => redactor.push(piece)).join('') + redactor.end()
}

describe('a secret that is longer than a line is masked', () => {
  const forms = formsFor(SECRET)
  test.each(WAYS)('in the lines of %s, wherever the text is split', (_, write) => {
    for (const before of ['', 'a', 'of ', 'seventeen letters']) {
      const text = `before\n${write(`${before}${SECRET} and more`)}\nafter`
      const shown = forms.mask(text)
      expect(shown).toMatch(/^before\n[\s\S]*•••[\s\S]*\nafter$/)
      expect(leftOf(shown, SECRET)).toEqual([])
      for (const letters of ['pass', 'fifty', 'bytes', '0123']) expect(shown).not.toContain(letters)
      for (let cut = 0; cut <= text.length; cut += 1) expect(inPieces(forms, [text.slice(0, cut), text.slice(cut)])).toBe(shown)
      expect(inPieces(forms, [...text])).toBe(shown)
    }
  })

  it('except for its first byte if a line ends there', () => {
    for (const [name, write] of WAYS.filter(([name]) => /xxd$|hexdump -C|od -An|^bytes with/.test(name)))
      for (const before of [13, 14, 15]) {
        const text = write(`${'.'.repeat(before)}short pass word!`)
        expect(leftOf(formsFor('short pass word!').mask(text), 'short pass word!'), name).toEqual([])
        expect(formsFor('short pass word!').mask(text)).toContain(MASK)
      }
  })

  it('and what only began like it is shown as soon as it differs', () => {
    for (const beginning of ['it is', Buffer.from(SECRET).toString('base64').slice(0, 8), bytesOf(SECRET).slice(0, 9).join(' ')])
      for (const more of ['~', '\n~', ' ~', ':~', ', ~']) {
        const redactor = new Redactor(() => forms)
        expect(redactor.push(`<${beginning}${more}`)).toBe(`<${beginning}${more}`)
      }
  })

  it('without the text after digits in one piece', () => {
    const digits = bytesOf(SECRET).join('')
    expect(forms.mask(`${digits}  is hidden\n`)).toBe(`${MASK}  is hidden\n`)
  })

  it('except for a few characters if its first or last lines are missing', () => {
    for (const [, write] of WAYS.filter(([name]) => ['base64', 'openssl base64', 'xxd -p'].includes(name))) {
      const lines = write(SECRET.repeat(6)).split('\n')
      const shown = formsFor(SECRET.repeat(6)).mask(lines.slice(3, -2).join('\n'))
      expect(squeezed(shown).replaceAll(MASK, '').length).toBeLessThan(2 * 48)
    }
  })

  it('in its encoded lines, if it has several lines', () => {
    for (const [, write] of WAYS) expect(leftOf(formsFor(KEY).mask(write(`${KEY}\n`)), KEY)).toEqual([])
  })

  it('in single lines, indented or not', () => {
    const shown = formsFor(KEY).mask(KEY.split('\n').slice(0, 2).join('\n  '))
    expect(shown).toBe(`-----BEGIN PRIVATE KEY-----\n  ${MASK}`)
  })
})

describe('a quoted secret is masked', () => {
  test.each([
    ['by printf %q of bash', `LC_ALL=C.UTF-8 printf %q "$1"`],
    ['by printf %q of bash without UTF-8', `LC_ALL=C printf %q "$1"`],
    ['by @Q of bash', `export LC_ALL=C.UTF-8; printf %s "\${1@Q}"`],
    ['by declare of bash', `v=$1; declare -p v`],
  ])('%s', (_, words) => {
    const text = bash(words)
    const forms = formsFor(SECRET)
    const shown = forms.mask(text)
    expect(shown).toContain(MASK)
    for (const letters of ['pass', 'fifty', 'rds go']) expect(shown).not.toContain(letters)
    for (let cut = 0; cut <= text.length; cut += 1) expect(inPieces(forms, [text.slice(0, cut), text.slice(cut)])).toBe(shown)
  })

  test.each([
    ['octal', String.raw`$'it\'s\ta w\303\266rd\033'`],
    ['octal, as bash escapes', String.raw`$'it\'s\ta w\303\266rd\E'`],
    ['hex', String.raw`$'it\'s\ta w\xc3\xb6rd\x1b'`],
    ['Unicode', String.raw`$'it\'s\ta w\u00f6rd\x1b'`],
    ['C', String.raw`"it's\ta w\303\266rd\033"`],
    ['systemd', String.raw`it\'s\ta w\303\266rd\033`],
    ['UTF-8', String.raw`$'it\'s\ta wörd\E'`],
  ])('with escapes: %s', (_, text) => {
    expect(formsFor("it's\ta wörd\x1b").mask(text)).toMatch(/^\$?['"]?•••['"]?$/)
  })

  it.each([
    [`it's\t"so"`, String.raw`it\'s\t\"so\"`],
    ['a pass\u{1f600}word', String.raw`a pass\U0001f600word`],
    ['a pass\u{10fffd}word', String.raw`a pass\U0010fffdword`],
    ['a pass\uffeeword', String.raw`a pass\uffeeword`],
  ])('with both quotes escaped, and with characters beyond the first 65536: %s', (value, text) => {
    expect(formsFor(value).mask(`[${text}]`)).toBe(`[${MASK}]`)
  })

  it.each([
    String.raw`w\001rd\177 \303\266`,
    String.raw`w\001rd\177 ö`,
    String.raw`w\x01rd\x7f \xc3\xb6`,
    String.raw`w\x01rd\x7f ö`,
    String.raw`w\x01rd\x7f \u00f6`,
  ])('with escapes of control characters: %s', (text) => {
    expect(formsFor('w\x01rd\x7f ö').mask(`[${text}]`)).toBe(`[${MASK}]`)
  })

  it('with escapes that have a name, by bash and by C', () => {
    const value = 'q\x07w\be\tr\vt\fy\ru\\i'
    const quoted = run('bash', '', '-c', 'LC_ALL=C.UTF-8 printf %q "$1"', 'bash', value)
    expect(quoted).toBe(String.raw`$'q\aw\be\tr\vt\fy\ru\\i'`)
    expect(formsFor(value).mask(quoted)).toBe(`$'${MASK}'`)
  })

  it('as quoted by bash, with any characters', () => {
    const values = fc
      .sample(fc.string({ unit: 'grapheme-ascii', minLength: 8, maxLength: 20 }), 200)
      .filter((text) => text.trim() === text && text.length >= 8)
    const quoted = run('bash', '', '-c', 'for x; do printf "%q\\0" "$x"; done', 'bash', ...values).split('\0')
    for (const [i, value] of values.entries()) expect(formsFor(value).mask(quoted[i] ?? '')).toMatch(/^\\?•••$/)
  })
})

const secrets = fc.oneof(
  fc.string({ unit: 'grapheme-ascii', minLength: 8, maxLength: 40 }),
  fc.string({ unit: 'grapheme', minLength: 40, maxLength: 200 }),
  fc
    .array(fc.string({ unit: 'grapheme-ascii', minLength: 6, maxLength: 64 }), { minLength: 2, maxLength: 5 })
    .map((lines) => lines.join('\n')),
)
const wrapped = (text: string, columns: number, inset: string): string => text.replaceAll(new RegExp(`.{${columns}}`, 'g'), `$&\n${inset}`)
const encoding = fc.oneof(
  fc.constantFrom(...WAYS.slice(8).map(([, write]) => write)),
  fc.record({ columns: fc.integer({ min: 8, max: 100 }), inset: fc.constantFrom('', ' ', '\t', '  '), url: fc.boolean() }).map(
    ({ columns, inset, url }) =>
      (text: string) =>
        wrapped(Buffer.from(text).toString(url ? 'base64url' : 'base64'), columns, inset),
  ),
  fc.record({ columns: fc.integer({ min: 8, max: 100 }), between: fc.constantFrom('', ' ', ':') }).map(
    ({ columns, between }) =>
      (text: string) =>
        rows(bytesOf(text), columns)
          .map((row) => row.join(between))
          .join('\n'),
  ),
)
const around = fc.oneof(fc.string({ maxLength: 40 }), fc.string({ unit: fc.constantFrom(...'0123456789abcdef \n'), maxLength: 40 }))

test('any value is masked in every encoding, at every position and for every split of the text', { timeout: 30_000 }, () => {
  fc.assert(
    fc.property(
      secrets.filter((text) => text.trim().length >= 8),
      encoding,
      fc.string({ maxLength: 5 }),
      around,
      around,
      fc.array(fc.nat(600), { maxLength: 8 }),
      (secret, write, beside, before, after, cuts) => {
        const forms = formsFor(secret)
        const text = `${before}\n${write(`${beside}${secret}${beside}`)}\n${after}`
        const ends = [0, ...cuts.map((cut) => Math.min(cut, text.length)).sort((a, b) => a - b), text.length]
        const shown = inPieces(
          forms,
          ends.map((end, i) => text.slice(ends[i - 1] ?? 0, end)),
        )
        expect(shown).toBe(forms.mask(text))
        expect(shown).toContain(MASK)
        expect(leftOf(shown, secret.trim())).toEqual([])
      },
    ),
    { numRuns: 400 },
  )
})

test('a text without a secret is unchanged', { timeout: 30_000 }, () => {
  const forms = formsFor(SECRET, KEY, 'correct horse battery', '0123456789abcdef')
  const text = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 300 }),
    fc.string({ unit: fc.constantFrom(...'0123456789abcdef \n:-,x\\'), maxLength: 300 }),
    fc.string({ maxLength: 300 }).map((inner) => xxd(inner) + canonical(inner) + wrapped(Buffer.from(inner).toString('base64'), 16, '')),
  )
  fc.assert(
    fc.property(text, fc.integer({ min: 1, max: 50 }), (plain, size) => {
      const pieces = rows(plain.split(''), size).map((piece) => piece.join(''))
      expect(inPieces(forms, pieces)).toBe(plain)
    }),
    { numRuns: 400 },
  )
})
