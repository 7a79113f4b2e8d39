import { z } from 'zod'
import { table } from '../../report/table.ts'
import { wrapWords } from '../../report/text.ts'
import type { View } from '../../report/view.ts'

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

/**
 * Returns a table of the options that a schema accepts: name, type, default and description. The options of an entry of a list follow it as
 * `list[].name`, those of a map as `map.name`, and those of each value of a map as `map.*.name`.
 */
export const optionsPage = (schema: z.ZodType, view: View, { further, types }: InYaml = { further: [], types: new Map() }): string => {
  const { properties = {}, required = [], ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Schema
  const forms = rest.anyOf ?? rest.oneOf ?? []
  if (forms.length > 0 && Object.keys(properties).length === 0) return forms.map((form) => tableOf(rowsOf(form), view)).join('\n')
  const rows = rowsOf({ properties, required }).flatMap((row) => [
    row.map((cell, i) => (i === 1 ? (types.get(row[0] ?? '') ?? cell) : cell)),
    ...further.flatMap(({ name, after, type, description }) => (after === row[0] ? [[name, type, '', description]] : [])),
  ])
  return tableOf(rows, view)
}

const tableOf = (rows: readonly Row[], { paint }: View): string =>
  rows.length === 0 ? 'no options\n' : table(['OPTION', 'TYPE', 'DEFAULT', 'DESCRIPTION'], rows, paint)

type Row = readonly string[]

/** Levels of options below those of a role or kind. */
const MAX_DEPTH = 3

const rowsOf = ({ properties = {}, required = [] }: Schema, above = '', depth = 0): readonly Row[] =>
  Object.entries(properties).flatMap(([key, option]) => {
    const name = `${above}${key}`
    const row = [
      name,
      shown(typeOf(option)),
      required.includes(key) ? 'required' : shown(JSON.stringify(option.default) ?? ''),
      describe(option),
    ]
    return [row, ...(depth < MAX_DEPTH ? innerRows(option, name, depth + 1) : [])]
  })

/** The options of the maps that a value is or contains. A name that several forms of the value have is shown once. */
const innerRows = (option: Schema, name: string, depth: number): readonly Row[] => {
  const { items, additionalProperties, anyOf = [], oneOf = [] } = option
  const rows = [
    ...rowsOf(option, `${name}.`, depth),
    ...(items === undefined ? [] : formsOf(items).flatMap((form) => rowsOf(form, `${name}[].`, depth))),
    ...(typeof additionalProperties === 'object' ? formsOf(additionalProperties).flatMap((form) => rowsOf(form, `${name}.*.`, depth)) : []),
    ...[...anyOf, ...oneOf].flatMap((form) => innerRows(form, name, depth)),
  ]
  return [...new Map(rows.toReversed().map((row) => [row[0], row])).values()].toReversed()
}

const formsOf = (schema: Schema): readonly Schema[] => schema.anyOf ?? schema.oneOf ?? [schema]

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

const describe = ({ description = '', examples = [] }: Schema): string => {
  const [example] = examples
  const text = example === undefined ? '' : `for example ${typeof example === 'string' ? example : JSON.stringify(example)}`
  return [description, text].filter((part) => part !== '').join('; ')
}

const shown = (text: string): string => (text.length > 40 ? `${text.slice(0, 39)}…` : text)

/** Returns a heading with its text. */
export const heading = (name: string, text: string, { paint, columns }: View): string =>
  `${paint.bold(name)}  ${wrapWords(text, Math.max(20, columns - name.length - 2)).join('\n')}\n\n`
