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
}

/** Returns a table of the options that a schema accepts: name, type, default and description. */
export const optionsPage = (schema: z.ZodType, view: View): string => {
  const { properties = {}, required = [], ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Schema
  const forms = rest.anyOf ?? rest.oneOf ?? []
  if (forms.length > 0 && Object.keys(properties).length === 0)
    return forms.map((form) => rowsOf(form.properties ?? {}, form.required ?? [], view)).join('\n')
  return rowsOf(properties, required, view)
}

const rowsOf = (properties: Readonly<Record<string, Schema>>, required: readonly string[], { paint }: View): string => {
  const rows = Object.entries(properties).map(([name, option]) => [
    name,
    shown(typeOf(option)),
    required.includes(name) ? 'required' : shown(JSON.stringify(option.default) ?? ''),
    describe(option),
  ])
  return rows.length === 0 ? 'no options\n' : table(['OPTION', 'TYPE', 'DEFAULT', 'DESCRIPTION'], rows, paint)
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

const describe = ({ description = '', examples = [] }: Schema): string => {
  const [example] = examples
  const text = example === undefined ? '' : `for example ${typeof example === 'string' ? example : JSON.stringify(example)}`
  return [description, text].filter((part) => part !== '').join('; ')
}

const shown = (text: string): string => (text.length > 40 ? `${text.slice(0, 39)}…` : text)

/** Returns a heading with its text. */
export const heading = (name: string, text: string, { paint, columns }: View): string =>
  `${paint.bold(name)}  ${wrapWords(text, Math.max(20, columns - name.length - 2)).join('\n')}\n\n`
