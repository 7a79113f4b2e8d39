import { z } from 'zod'

/** A part of a JSON Schema. */
interface Schema {
  readonly type?: string | readonly string[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly description?: string
  readonly default?: unknown
  readonly examples?: readonly unknown[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
  readonly items?: Schema
  readonly additionalProperties?: Schema | boolean
}

/** An option as the reference shows it, with the options of the maps that its value is or contains. */
export interface OptionNode {
  /** Name below the option above: `port`; `[].port` in an entry of a list; `*.port` in a value of a map. */
  readonly name: string
  readonly type: string
  readonly required: boolean
  /** The default in JSON. */
  readonly default?: string
  readonly description: string
  /** The first example: text as it is, other values in JSON. */
  readonly example?: string
  readonly options: readonly OptionNode[]
}

/** What YAML has and the schema has not: options that follow others, and types of options that YAML writes in another form. */
export interface InYaml {
  readonly further: readonly FurtherOption[]
  readonly types: ReadonlyMap<string, string>
}

/** An option that follows another. */
export interface FurtherOption {
  readonly name: string
  readonly after: string
  readonly type: string
  readonly description: string
}

/** Returns the options that a schema accepts. Those of several forms of a value are shown once. */
export const optionTree = (schema: z.ZodType, { further, types }: InYaml = { further: [], types: new Map() }): readonly OptionNode[] => {
  const all = nodesOf(jsonSchemaOf(schema))
  return all.flatMap((node) => [
    { ...node, type: types.get(node.name) ?? node.type },
    ...further.flatMap(({ name, after, type, description }) =>
      after === node.name ? [{ name, type, description, required: false, options: [] }] : [],
    ),
  ])
}

const jsonSchemaOf = (schema: z.ZodType): Schema =>
  z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      const { def } = zodSchema._zod as { readonly def: Definition }
      if (def.params?.secret === true) Object.assign(jsonSchema, { type: 'secret' })
      // zod leaves both out where a value is transformed.
      if (def.type === 'default') jsonSchema.default ??= def.defaultValue
      const examples = z.globalRegistry.get(zodSchema)?.examples
      if (Array.isArray(examples)) jsonSchema.examples ??= examples
    },
  }) as Schema

/** The parts of zod's definition of a schema that its JSON Schema has not. */
interface Definition {
  readonly type: string
  readonly defaultValue?: JsonValue
  readonly params?: { readonly secret?: boolean }
}

type JsonValue = z.core.JSONSchema.JSONSchema['default']

/** Options of a map, or of each form of it. */
const nodesOf = ({ properties = {}, required = [], anyOf = [], oneOf = [] }: Schema, above = ''): readonly OptionNode[] =>
  unique([
    ...Object.entries(properties).map(([key, option]) => nodeOf(`${above}${key}`, option, required.includes(key))),
    ...[...anyOf, ...oneOf].flatMap((form) => nodesOf(form, above)),
  ])

const nodeOf = (name: string, option: Schema, required: boolean): OptionNode => {
  const [example] = option.examples ?? []
  return {
    name,
    type: typeOf(option),
    required,
    ...(option.default !== undefined && { default: JSON.stringify(option.default) }),
    description: option.description ?? '',
    ...(example !== undefined && { example: typeof example === 'string' ? example : JSON.stringify(example) }),
    options: innerOf(option),
  }
}

const innerOf = (option: Schema): readonly OptionNode[] => {
  const { items, additionalProperties, anyOf = [], oneOf = [] } = option
  return unique([
    ...nodesOf(option),
    ...(items === undefined ? [] : nodesOf(items, '[].')),
    ...(typeof additionalProperties === 'object' ? nodesOf(additionalProperties, '*.') : []),
    ...[...anyOf, ...oneOf].flatMap(innerOf),
  ])
}

const unique = (nodes: readonly OptionNode[]): readonly OptionNode[] => {
  const byName = new Map<string, OptionNode>()
  for (const node of nodes) if (!byName.has(node.name)) byName.set(node.name, node)
  return [...byName.values()]
}

const typeOf = ({ type, anyOf, oneOf, items, ...option }: Schema): string => {
  if (option.enum !== undefined) return option.enum.map((value) => JSON.stringify(value)).join(' | ')
  if (option.const !== undefined) return JSON.stringify(option.const)
  const forms = anyOf ?? oneOf
  if (forms !== undefined) return [...new Set(forms.map(typeOf))].join(' | ')
  if (type === 'array') return items === undefined ? 'list' : `list of ${typeOf(items)}`
  return [type ?? 'any']
    .flat()
    .map((one) => NAMES[one] ?? one)
    .join(' | ')
}

const NAMES: Readonly<Record<string, string>> = { string: 'text', object: 'map', integer: 'number' }

/** Joins the name of an option to that of the option above it: `sites[].app`, `locations.*.proxy`. */
export const below = (above: string, name: string): string =>
  above === '' || name.startsWith('[]') ? `${above}${name}` : `${above}.${name}`

/** Unknown name in a path of an option, with the names that are known there. */
interface UnknownOption {
  readonly unknown: string
  readonly known: readonly string[]
}

/** Returns the option at a path such as `sites.app.port`, in which `[]` and `*` may be left out, with its whole name. */
export const optionAt = (options: readonly OptionNode[], path: string, above = ''): OptionNode | UnknownOption => {
  const [first = '', ...rest] = path.split('.').filter((part) => part !== '' && part !== '*' && part !== '[]')
  const name = first.replace(/\[\]$/, '')
  const found = options.find((option) => lastName(option) === name)
  if (found === undefined) return { unknown: name, known: options.map(lastName) }
  const whole = below(above, found.name)
  return rest.length === 0 ? { ...found, name: whole } : optionAt(found.options, rest.join('.'), whole)
}

const lastName = ({ name }: OptionNode): string => name.replace(/^(\[\]|\*)\./, '')
