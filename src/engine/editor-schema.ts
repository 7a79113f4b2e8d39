import { z } from 'zod'
import type { Role } from '../role/role.ts'
import type { Declarable, Kinds } from '../role/yaml/entries.ts'
import { projectOptions } from '../role/yaml/project-source.ts'
import { groupSchema, hostSchema, playSchema, roleEntrySchema, varsSchema } from '../site/schema/settings.ts'

/** A JSON Schema, or a part of one. */
interface Schema {
  readonly [keyword: string]: unknown
}

/** What an editor needs to know of a project. */
export interface Known {
  readonly roles: ReadonlyMap<string, Role>
  readonly kinds: Kinds
}

/** Files of a project for which an editor can have a schema. */
export const SCHEMAS = ['playbook', 'role', 'inventory'] as const

/** Returns the JSON Schema of a file, for completion and documentation in an editor. `provision` itself checks more. */
export const editorSchema = (file: (typeof SCHEMAS)[number], known: Known): Schema => ({
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  ...{ playbook: playbook(known), role: role(known), inventory: inventory(known) }[file],
})

const schemaOf = (schema: z.ZodType): Schema => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Schema
  return rest
}

const closed = (properties: Schema, more: Schema = {}): Schema => ({ type: 'object', properties, additionalProperties: false, ...more })
const described = (description: string, schema: Schema): Schema => ({ description, ...schema })

const playbook = (known: Known): Schema => {
  const { properties } = schemaOf(playSchema(true)) as { readonly properties: Schema }
  const play = closed(
    { ...properties, roles: { type: 'array', items: roleEntry(known) }, resources: resources(known.kinds) },
    { required: ['hosts'] },
  )
  return { type: 'array', items: play }
}

const roleEntry = ({ roles }: Known): Schema => {
  const { properties } = schemaOf(roleEntrySchema) as { readonly properties: Schema }
  const names = [...roles.keys()]
  const short = closed(Object.fromEntries([...roles].map(([name, one]) => [name, optionsOf(one)])), { maxProperties: 1 })
  return { anyOf: [{ enum: names }, short, closed({ ...properties, role: { enum: names } }, { required: ['role'] })] }
}

const optionsOf = ({ summary, options }: Role): Schema => {
  const { required: _, ...schema } = schemaOf(options)
  // The inventory can have the options that the playbook has not.
  return described(summary, schema)
}

const role = ({ kinds }: Known): Schema =>
  closed(
    {
      summary: described('one line for help', { type: 'string' }),
      options: described('its options: a default value of each, or its type in JSON Schema', { type: 'object' }),
      resources: resources(kinds),
      repeatable: described('whether plays may bind it several times to a host, with `as`', { type: 'boolean' }),
    },
    { required: ['summary', 'resources'] },
  )

const inventory = ({ roles }: Known): Schema => {
  const { properties } = schemaOf(varsSchema([])) as { readonly properties: Schema }
  const vars = described('variables', {
    type: ['object', 'null'],
    properties: { ...properties, ...Object.fromEntries([...roles].map(([name, one]) => [name, optionsOf(one)])) },
  })
  const each = (schema: z.ZodType): Schema => {
    const one = schemaOf(schema) as { readonly properties: Schema }
    return { type: ['object', 'null'], additionalProperties: { ...one, type: ['object', 'null'], properties: { ...one.properties, vars } } }
  }
  return { type: 'object', properties: { vars, hosts: each(hostSchema), groups: each(groupSchema) } }
}

const resources = (kinds: Kinds): Schema => ({
  type: 'array',
  items: closed({
    if: described(`condition: \${facts.distribution} == 'debian'`, { type: ['string', 'boolean'] }),
    each: described(`list or map for which the entry is repeated; \${item} is its value`, {}),
    ...Object.fromEntries([...kinds].map(([name, kind]) => [name, ofKind(kind)])),
  }),
})

const ofKind = (kind: Declarable): Schema => {
  const { required: _, ...schema } = withReferences(schemaOf(kind.schema), true)
  if (typeof schema.properties !== 'object') return schema
  const { source, template, values } = projectOptions(kind)
  const more = {
    ...(source !== undefined && { source: described(source, { type: 'string' }) }),
    ...(template !== undefined && { template: described(template, { type: 'string' }) }),
    ...(values !== undefined && { values: described(values, { type: 'object' }) }),
  }
  return { ...schema, properties: { ...schema.properties, ...more } }
}

/** A text in which any value can be written. */
const REFERENCE: Schema = { type: 'string', pattern: String.raw`\$\{` }

/** Permits a reference in place of each value. */
const withReferences = (schema: Schema, isWhole = false): Schema => {
  const { properties, items, anyOf } = schema
  const inner: Schema = {
    ...schema,
    ...(isMap(properties) && {
      properties: Object.fromEntries(Object.entries(properties).map(([key, one]) => [key, withReferences(one as Schema)])),
    }),
    ...(isMap(items) && { items: withReferences(items) }),
    ...(Array.isArray(anyOf) && { anyOf: anyOf.map((one: Schema) => withReferences(one, true)) }),
  }
  const isOpen = isWhole || (schema.type === undefined && schema.anyOf === undefined && schema.enum === undefined)
  const isText = schema.type === 'string' && schema.pattern === undefined && schema.enum === undefined
  if (isOpen || isText) return inner
  const { description, examples, default: usual, ...rest } = inner
  return {
    ...(description !== undefined && { description }),
    ...(examples !== undefined && { examples }),
    ...(usual !== undefined && { default: usual }),
    anyOf: [rest, REFERENCE],
  }
}

const isMap = (value: unknown): value is Schema => typeof value === 'object' && value !== null && !Array.isArray(value)
