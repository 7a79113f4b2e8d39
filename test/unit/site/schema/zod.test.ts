import { expect, test } from 'vitest'
import { z } from 'zod'
import { secret } from '../../../../src/resource/kind/secret.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { checkOptions } from '../../../../src/site/schema/zod.ts'
import { fromPlain, locatedValue } from '../../../../src/site/source/source-map.ts'

const place = { file: 'inventory/lab.yaml', line: 1, column: 1 }

const messagesFor = (schema: z.ZodType, value: unknown): readonly string[] => {
  const checked = checkOptions(schema, locatedValue(fromPlain(value, place)), 'role demo')
  return (checked.problems ?? []).map(({ what, fix }) => `${what} → ${fix}`)
}

test('a valid value is returned with the defaults of the schema', () => {
  const checked = checkOptions(z.strictObject({ a: z.int().default(3) }), locatedValue(fromPlain({}, place)), 'role demo')
  expect(checked).toEqual({ value: { a: 3 } })
})

test.each<[string, z.ZodType, unknown, string]>([
  [
    'a key inside lists, unions and wrappers',
    z.strictObject({ sites: z.array(z.strictObject({ name: z.string() })).optional() }).prefault({}),
    { sites: [{ nmae: 'a', name: 'b' }] },
    'unknown option `nmae` in `sites[0]` of role demo → did you mean `name`?',
  ],
  [
    'a key of one of several shapes',
    z.union([z.strictObject({ file: z.string() }), z.strictObject({ text: z.string() })]),
    { txet: 'a', text: 'b' },
    'unknown option `txet` in role demo → did you mean `text`?',
  ],
  [
    'a union with a message of the author',
    z.strictObject({ n: z.union([z.ipv4(), z.cidrv4()], { error: 'must be an address or a network' }) }),
    { n: 'home' },
    '`n`: "home" must be an address or a network → correct `n`',
  ],
  ['a value of a record', z.record(z.string(), z.int()), { a: 'b' }, '`a` must be a number, not "b" → write a number'],
  [
    'a value of a record with an odd key',
    z.record(z.string(), z.int()),
    { '/a $b': 'c' },
    '`/a $b` must be a number, not "c" → write a number',
  ],
  [
    'a key of a record',
    z.strictObject({ h: z.record(z.string().regex(/^[a-z]+$/, 'must be small letters'), z.int()) }),
    { h: { B: 1 } },
    'key `B` must be small letters → use another key',
  ],
  [
    'a value or a list',
    z.strictObject({ n: z.union([z.string(), z.array(z.string())]) }),
    { n: 4 },
    '`n` must be text or a list, not 4 → write text or a list',
  ],
  [
    'an element of a list',
    z.strictObject({ n: z.union([z.string(), z.array(z.string())]) }),
    { n: ['a', 4] },
    "`n[1]` must be text, not 4 → put it in quotes: '4'",
  ],
  ['a boolean of YAML 1.1', z.strictObject({ on: z.boolean() }), { on: 'off' }, '`on` must be true or false, not "off" → write false'],
  [
    'a missing value with an example',
    z.strictObject({ contact: z.email().meta({ description: 'recipient of alerts', examples: ['a@b.org'] }) }),
    {},
    '`contact` is missing in role demo → add `contact: a@b.org` (recipient of alerts)',
  ],
  [
    'a format',
    z.strictObject({ contact: z.email() }),
    { contact: 'x' },
    '`contact`: "x" is not a valid e-mail address → write a valid e-mail address',
  ],
  [
    'a message and fix of the author',
    z.strictObject({ p: z.string().refine((v) => v.startsWith('/'), { error: 'must be absolute', params: { fix: 'begin with /' } }) }),
    { p: 'x' },
    '`p`: "x" must be absolute → begin with /',
  ],
  [
    'too short a list',
    z.strictObject({ names: z.array(z.string()).min(2) }),
    { names: ['a'] },
    '`names` must have at least 2 entries → list at least 2 entries',
  ],
  [
    'a number that is too small, with a description',
    z.strictObject({ keep: z.int().min(2).meta({ description: 'number of releases to keep' }) }),
    { keep: 1 },
    '`keep`: 1 must be at least 2 → write a number of at least 2 (number of releases to keep)',
  ],
  [
    'too short a text',
    z.strictObject({ s: z.string().min(1) }),
    { s: '' },
    '`s`: "" must be at least 1 character long → write at least 1 character',
  ],
  [
    'another value than a constant or a map',
    z.strictObject({ page: z.union([z.literal(false), z.strictObject({})]) }),
    { page: true },
    '`page` must be `false` or a map, not true → write `false` or a map',
  ],
  ['a constant', z.strictObject({ v: z.literal('one') }), { v: 'two' }, '`v` must be `one`, not "two" → write `one`'],
  ['a value of the wrong type', z.strictObject({}), [], 'role demo must be a map, not a list → write indented `key: value` lines below it'],
  [
    'a secret for an option that takes none',
    z.strictObject({ a: z.string() }),
    { a: new Secret('geheim') },
    `\`a\` must be text, not a secret (•••) → use \${env:NAME:plain} for a value that is not secret, or write the value itself`,
  ],
  [
    'a missing secret',
    z.strictObject({ login: z.strictObject({ password: secret() }) }),
    { login: {} },
    `\`login.password\` is missing in role demo → add \`password: \${secret:NAME}\``,
  ],
  [
    'an empty secret',
    z.strictObject({ a: secret() }),
    { a: '' },
    `\`a\` must be text that is not empty → write \${env:NAME}, or \${secret:name} for a value of secrets.yaml`,
  ],
  [
    'a number for a secret',
    z.strictObject({ a: secret() }),
    { a: 4711 },
    `\`a\` must be text that is not empty → write \${env:NAME}, or \${secret:name} for a value of secrets.yaml`,
  ],
  [
    'an entry of a list of maps in place of the list',
    z.strictObject({ sites: z.array(z.strictObject({ name: z.string() })) }),
    { sites: { name: 'a' } },
    '`sites` must be a list, not a map → write a list: begin the entry with a dash and a space',
  ],
  [
    'a text in place of a list of maps, which would not make it valid',
    z.strictObject({ sites: z.array(z.strictObject({ name: z.string() })) }),
    { sites: 'www.example.org' },
    '`sites` must be a list, not "www.example.org" → write a list; options of an entry are name',
  ],
  [
    'a type that no shape has',
    z.strictObject({
      r: z.discriminatedUnion('type', [z.strictObject({ type: z.literal('email') }), z.strictObject({ type: z.literal('slack') })]),
    }),
    { r: { type: 'sms' } },
    '`r.type` must be `email` or `slack`, not "sms" → write one of these values',
  ],
  [
    'a misspelt type',
    z.strictObject({
      r: z.discriminatedUnion('type', [z.strictObject({ type: z.literal('email') }), z.strictObject({ type: z.literal('slack') })]),
    }),
    { r: { type: 'slak' } },
    '`r.type` must be `email` or `slack`, not "slak" → did you mean `slack`?',
  ],
  [
    'a missing type',
    z.strictObject({
      r: z.discriminatedUnion('type', [z.strictObject({ type: z.literal('email') }), z.strictObject({ type: z.literal('slack') })]),
    }),
    { r: {} },
    '`r.type` is missing in role demo → add `type: …`, one of `email` or `slack`',
  ],
  [
    'a number in place of text for a number',
    z.strictObject({ p: z.int() }),
    { p: '8080' },
    '`p` must be a number, not "8080" → write 8080 without quotes',
  ],
  ['text that is no number as written', z.strictObject({ p: z.int() }), { p: '0644' }, '`p` must be a number, not "0644" → write a number'],
  ['control characters', z.strictObject({ a: z.enum(['x']) }), { a: '\u001b[31m' }, '`a` must be `x`, not "\\u001b[31m" → write `x`'],
])('%s', (_, schema, value, expected) => {
  expect(messagesFor(schema, value)).toEqual([expected])
})

test('secret() keeps secrets and makes secrets of text', () => {
  const schema = z.strictObject({ a: secret(), b: secret().optional() })
  const { a } = schema.parse({ a: 'geheim' })
  expect([a.reveal(), JSON.stringify(a)]).toEqual(['geheim', '"•••"'])
  expect(schema.parse({ a, b: a }).b).toBe(a)
})

test.each<[z.ZodType, unknown, string]>([
  [z.int().gt(4), 4, '4 must be more than 4 → write a number of more than 4'],
  [z.number().lt(2), 2, '2 must be less than 2 → write a number of less than 2'],
  [z.int().max(9), 10, '10 must be at most 9 → write a number of at most 9'],
  [z.int().multipleOf(5), 7, '7 must be a multiple of 5 → write a multiple of 5'],
  [z.string().max(1), 'ab', '"ab" must be at most 1 character long → write at most 1 character'],
  [z.string().max(2), 'abc', '"abc" must be at most 2 characters long → write at most 2 characters'],
  [z.string().regex(/^a$/), 'b', '"b" has an invalid format → correct `v`'],
  [z.url(), 'b', '"b" is not a valid URL → write a valid URL'],
  [z.ipv4(), 'b', '"b" is not a valid IPv4 address → write a valid IPv4 address'],
  [z.ipv6(), 'b', '"b" is not a valid IPv6 address → write a valid IPv6 address'],
  [z.cidrv4(), 'b', '"b" is not a valid IPv4 network → write a valid IPv4 network'],
  [z.cidrv6(), 'b', '"b" is not a valid IPv6 network → write a valid IPv6 network'],
  [z.uuid(), 'b', '"b" is not a valid uuid → correct `v`'],
])('the bound or format of %#', (schema, v, expected) => {
  expect(messagesFor(z.strictObject({ v: schema }), { v })).toEqual([`\`v\`: ${expected}`])
})

test.each<[z.ZodType, unknown, string]>([
  [z.array(z.int()).max(1), [1, 2], ' must have at most 1 entry → list at most 1 entry'],
  [z.array(z.int()).min(1), [], ' must have at least 1 entry → list at least 1 entry'],
  [z.int(), null, ' must be a number, not empty → add a value, or remove the line'],
  [z.boolean(), 'Yes', ' must be true or false, not "Yes" → write true'],
  [z.boolean(), 'yesterday', ' must be true or false, not "yesterday" → write true or false'],
  [z.string(), true, " must be text, not true → put it in quotes: 'true'"],
  [z.int(), '-5', ' must be a number, not "-5" → write -5 without quotes'],
  [z.record(z.string(), z.int()), 'x', ' must be a map, not "x" → write indented `key: value` lines below it'],
  [z.int(), 'x'.repeat(61), ` must be a number, not "${'x'.repeat(60)}…" → write a number`],
])('the type of %#', (schema, v, expected) => {
  expect(messagesFor(z.strictObject({ v: schema }), { v })).toEqual([`\`v\`${expected}`])
})
