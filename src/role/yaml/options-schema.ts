import { z } from 'zod'
import type { Problem } from '../../problem.ts'
import { secret } from '../../resource/kind/secret.ts'
import { shownText } from '../../shown-name.ts'
import { inputProblem } from '../../site/source/input-problem.ts'
import { entriesOf, entryOf, plainValue, type SourceMap, type SourceNode } from '../../site/source/source-map.ts'
import { suggestion } from '../../site/source/suggest.ts'

/** Returns the schema of a role's options: each is a default value, or a map in JSON Schema. An option without a default is required. */
export const optionsSchema = (node: SourceMap, problems: Problem[]): z.ZodType<Readonly<Record<string, unknown>>> =>
  z.strictObject(
    Object.fromEntries(
      entriesOf(node).map(([name, { key, node: option }]) => {
        if (!/^[A-Za-z_][\w-]*$/.test(name))
          problems.push(inputProblem(key, `invalid name of an option: \`${shownText(name)}\``, 'use letters, digits, `_` and `-`'))
        return [name, option.is === 'map' ? schemaOf(option, problems) : fromDefault(option, problems)]
      }),
    ),
  ) as z.ZodType<Readonly<Record<string, unknown>>>

const fromDefault = (node: SourceNode, problems: Problem[]): z.ZodType => {
  if (node.is === 'list') return z.array(z.unknown()).default(plainValue(node) as unknown[])
  const value = plainValue(node)
  if (typeof value === 'string') return z.string().default(value)
  if (typeof value === 'number') return z.number().default(value)
  if (typeof value === 'boolean') return z.boolean().default(value)
  const what = value === null ? 'option has no default and no type' : 'default of an option must not be a secret'
  const fix =
    value === null
      ? 'write a default, or its type: { type: string }'
      : 'write { type: string, format: password }, and set it in the inventory'
  problems.push(inputProblem(node.place, what, fix))
  return z.unknown()
}

const TYPES = ['string', 'integer', 'number', 'boolean', 'array', 'object'] as const
type Type = (typeof TYPES)[number]

const ANY = ['type', 'default', 'description', 'examples', 'enum', 'title']
const KEYWORDS: Readonly<Record<Type, readonly string[]>> = {
  string: ['pattern', 'minLength', 'maxLength', 'format'],
  integer: ['minimum', 'maximum'],
  number: ['minimum', 'maximum'],
  boolean: [],
  array: ['items', 'minItems', 'maxItems'],
  object: ['properties', 'required', 'additionalProperties'],
}

/** Returns the schema of a part of JSON Schema. Adds a problem for every keyword that it does not have. */
const schemaOf = (node: SourceMap, problems: Problem[]): z.ZodType => {
  const type = typeOf(node, problems)
  if (type === undefined) return z.unknown()
  const known = [...ANY, ...KEYWORDS[type]]
  for (const [key, entry] of node.entries)
    if (!known.includes(key))
      problems.push(inputProblem(entry.key, `unknown keyword \`${shownText(key)}\` for type ${type}`, suggestion(key, known, 'remove it')))
  const base = withEnum(node, BUILD[type](node, problems), problems)
  const description = textAt(node, 'description')
  const examples = valueAt(node, 'examples')
  const described =
    description === undefined && !Array.isArray(examples)
      ? base
      : base.meta({ ...(description !== undefined && { description }), ...(Array.isArray(examples) && { examples }) })
  return withDefault(node, described, problems)
}

const withDefault = (node: SourceMap, schema: z.ZodType, problems: Problem[]): z.ZodType => {
  const entry = entryOf(node, 'default')
  if (entry === undefined) return schema
  const value = plainValue(entry.node)
  const checked = schema.safeParse(value)
  if (!checked.success)
    problems.push(inputProblem(entry.node.place, '`default` does not match the type of its option', 'correct one of the two'))
  return schema.default(value)
}

const withEnum = (node: SourceMap, schema: z.ZodType, problems: Problem[]): z.ZodType => {
  const entry = entryOf(node, 'enum')
  if (entry === undefined) return schema
  const values = plainValue(entry.node)
  const isEnum = (value: unknown): value is string => typeof value === 'string'
  if (Array.isArray(values) && values.length > 0 && values.every(isEnum)) return z.enum(values as [string, ...string[]])
  problems.push(inputProblem(entry.node.place, '`enum` must be a list of texts', 'write, for example, enum: [small, large]'))
  return schema
}

const typeOf = (node: SourceMap, problems: Problem[]): Type | undefined => {
  const entry = entryOf(node, 'type')
  const type = entry && plainValue(entry.node)
  const known = TYPES.find((one) => one === type)
  if (known !== undefined) return known
  if (entry === undefined && entryOf(node, 'enum') !== undefined) return 'string'
  const fix = `write one of ${TYPES.join(', ')}`
  problems.push(
    entry === undefined
      ? inputProblem(node.place, 'option has no `type`', `${fix}; for a default that is a map, write { type: object, default: {…} }`)
      : inputProblem(
          entry.node.place,
          `unknown type \`${shownText(String(type))}\``,
          suggestion(String(type), TYPES, 'write another type'),
        ),
  )
  return undefined
}

const BUILD: Readonly<Record<Type, (node: SourceMap, problems: Problem[]) => z.ZodType>> = {
  string: (node, problems) => {
    const format = textAt(node, 'format')
    if (format === 'password') return secret()
    if (format !== undefined)
      problems.push(
        inputProblem(
          entryOf(node, 'format')?.node.place ?? node.place,
          `unknown format \`${shownText(format)}\``,
          'write `password` for a secret, or remove it',
        ),
      )
    const [least, most] = [numberAt(node, 'minLength'), numberAt(node, 'maxLength')]
    const sized = [least, most].reduce<z.ZodString>(
      (all, limit, i) => (limit === undefined ? all : i === 0 ? all.min(limit) : all.max(limit)),
      z.string(),
    )
    const pattern = textAt(node, 'pattern')
    if (pattern === undefined) return sized
    try {
      return sized.regex(new RegExp(pattern, 'u'), `must match ${pattern}`)
    } catch {
      problems.push(inputProblem(entryOf(node, 'pattern')?.node.place ?? node.place, '`pattern` is not a regular expression', 'correct it'))
      return sized
    }
  },
  integer: (node) => bounded(node, z.int()),
  number: (node) => bounded(node, z.number()),
  boolean: () => z.boolean(),
  array: (node, problems) => {
    const items = entryOf(node, 'items')?.node
    const list = z.array(items?.is === 'map' ? schemaOf(items, problems) : z.unknown())
    const [least, most] = [numberAt(node, 'minItems'), numberAt(node, 'maxItems')]
    const enough = least === undefined ? list : list.min(least)
    return most === undefined ? enough : enough.max(most)
  },
  object: (node, problems) => {
    const properties = entryOf(node, 'properties')?.node
    const values = entryOf(node, 'additionalProperties')?.node
    if (properties === undefined) return z.record(z.string(), values?.is === 'map' ? schemaOf(values, problems) : z.unknown())
    const required = valueAt(node, 'required')
    const isRequired = (name: string): boolean => Array.isArray(required) && required.includes(name)
    const shape = entriesOf(properties).map(([name, { node: one, key }]): [string, z.ZodType] => {
      if (one.is !== 'map')
        problems.push(inputProblem(key, `property \`${shownText(name)}\` has no type`, 'write, for example, { type: string }'))
      const schema = one.is === 'map' ? schemaOf(one, problems) : z.unknown()
      return [name, isRequired(name) || schema instanceof z.ZodDefault ? schema : schema.optional()]
    })
    return z.strictObject(Object.fromEntries(shape))
  },
}

const bounded = (node: SourceMap, schema: z.ZodInt | z.ZodNumber): z.ZodType => {
  const [least, most] = [numberAt(node, 'minimum'), numberAt(node, 'maximum')]
  const enough = least === undefined ? schema : schema.min(least)
  return most === undefined ? enough : enough.max(most)
}

const valueAt = (node: SourceMap, key: string): unknown => {
  const entry = entryOf(node, key)
  return entry && plainValue(entry.node)
}

const textAt = (node: SourceMap, key: string): string | undefined => {
  const value = valueAt(node, key)
  return typeof value === 'string' ? value : undefined
}

const numberAt = (node: SourceMap, key: string): number | undefined => {
  const value = valueAt(node, key)
  return typeof value === 'number' ? value : undefined
}
