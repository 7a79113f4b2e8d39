import { expect, test } from 'vitest'
import type { Problem } from '../../../../src/problem.ts'
import { optionsSchema } from '../../../../src/role/yaml/options-schema.ts'
import { isSecret } from '../../../../src/secret/secret.ts'
import { parseYaml } from '../../../../src/site/yaml/yaml.ts'

/** The schema of one option, and the problems of its declaration. */
const schemaOf = (option: string) => {
  const { root } = parseYaml('role.yaml', `a: ${option}\n`)
  const problems: Problem[] = []
  if (root?.is !== 'map') throw new Error('not a map')
  return { schema: optionsSchema(root, problems), problems: problems.map(({ what }) => what) }
}

test.each<[option: string, valid: readonly unknown[], invalid: readonly unknown[]]>([
  ['8080', [1, undefined], ['1', true]],
  ['text', ['', undefined], [1]],
  ['true', [false, undefined], ['true']],
  ['[x]', [[], ['y', 1], undefined], ['x']],
  ['{ type: boolean }', [true], [undefined, 'true', 1]],
  ['{ type: integer, minimum: 1, maximum: 3 }', [1, 3], [0, 4, 1.5, '1']],
  ['{ type: number, minimum: 1, maximum: 3 }', [1.5], [0.5, 3.5, '1']],
  ['{ type: string, minLength: 2, maxLength: 3, pattern: "^a" }', ['ab', 'abc'], ['a', 'abcd', 'bc', 1]],
  ['{ enum: [small, large] }', ['small'], ['medium', undefined]],
  ['{ type: string, enum: [small, large], default: large }', ['small', undefined], ['medium']],
  ['{ type: array, items: { type: integer }, minItems: 1, maxItems: 2 }', [[1], [1, 2]], [[], [1, 2, 3], ['1']]],
  ['{ type: object }', [{ x: 1 }, {}], ['x', []]],
  ['{ type: object, additionalProperties: { type: integer } }', [{ x: 1 }], [{ x: 'y' }]],
  [
    '{ type: object, properties: { x: { type: integer }, y: { type: string }, z: { type: integer, default: 1 } }, required: [x, z] }',
    [{ x: 1 }, { x: 1, y: '', z: 2 }],
    [{}, { x: 1, w: 1 }],
  ],
])('the option %s takes its values only', (option, valid, invalid) => {
  const { schema, problems } = schemaOf(option)
  expect(problems).toEqual([])
  const accepts = (value: unknown) => schema.safeParse(value === undefined ? {} : { a: value }).success
  expect(valid.map(accepts)).toEqual(valid.map(() => true))
  expect(invalid.map(accepts)).toEqual(invalid.map(() => false))
})

test('a default fills in for a missing value, and a password becomes a secret', () => {
  expect(schemaOf('8080').schema.parse({})).toEqual({ a: 8080 })
  expect(schemaOf('{ type: object, default: { x: 1 } }').schema.parse({})).toEqual({ a: { x: 1 } })
  expect(isSecret(schemaOf('{ type: string, format: password }').schema.parse({ a: 'correct horse' }).a)).toBe(true)
})

test.each([
  ['{ type: string, pattern: "(" }', '`pattern` is not a regular expression'],
  ['{ type: string, format: email }', 'unknown format `email`'],
  ['{ enum: [1, 2] }', '`enum` must be a list of texts'],
  ['{ enum: [] }', '`enum` must be a list of texts'],
  ['{ type: object, properties: { x: 1 } }', 'property `x` has no type'],
  ['{ type: array, items: { type: list } }', 'unknown type `list`'],
  ['{ type: integer, items: { type: string } }', 'unknown keyword `items` for type integer'],
  ['{ default: 1 }', 'option has no `type`'],
])('the declaration %s is refused', (option, what) => {
  expect(schemaOf(option).problems).toEqual([what])
})
