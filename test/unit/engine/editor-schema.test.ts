// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references of YAML
import { expect, test } from 'vitest'
import { z } from 'zod'
import { editorSchema } from '../../../src/engine/editor-schema.ts'
import { shippedKinds } from '../../../src/engine/shipped-kinds.ts'
import { defineRole, type Role } from '../../../src/role/role.ts'

const options = z.strictObject({ port: z.int().default(80).meta({ description: 'its port' }), domain: z.string() })
const shop = defineRole({ name: 'shop', summary: 'a shop', options, resources: () => [] }) as unknown as Role
const known = { roles: new Map([['shop', shop]]), kinds: await shippedKinds() }

/** The part of a schema at a path of keywords. */
const at = (schema: unknown, ...path: readonly string[]): unknown =>
  path.reduce((inner: unknown, key) => (inner as Readonly<Record<string, unknown>>)[key], schema)

const PLAY = ['items', 'properties'] as const
const KINDS = ['items', 'properties', 'resources', 'items', 'properties'] as const

test('a play has its settings, the roles with their options, and the kinds with theirs', () => {
  const schema = editorSchema('playbook', known)
  expect(Object.keys(at(schema, ...PLAY) as object)).toEqual(['name', 'hosts', 'roles', 'resources', 'serial', 'max_failures'])
  expect(at(schema, 'items', 'required')).toEqual(['hosts'])
  expect(at(schema, ...PLAY, 'roles', 'items', 'anyOf', '0')).toEqual({ enum: ['shop'] })
  expect(at(schema, ...PLAY, 'roles', 'items', 'anyOf', '1', 'properties', 'shop')).toMatchObject({
    description: 'a shop',
    properties: { port: { type: 'integer', default: 80, description: 'its port' }, domain: { type: 'string' } },
  })
  expect(Object.keys(at(schema, ...KINDS) as object)).toEqual(['if', 'each', ...known.kinds.keys()])
})

test('an option takes a reference in place of a value, and `source` in place of content', () => {
  const schema = editorSchema('playbook', known)
  const REFERENCE = { type: 'string', pattern: '\\$\\{' }
  expect(at(schema, ...KINDS, 'package', 'properties', 'cacheHours')).toMatchObject({
    default: 24,
    anyOf: [{ type: 'number', minimum: 0 }, REFERENCE],
  })
  expect(at(schema, ...KINDS, 'user', 'properties', 'groups', 'anyOf')).toMatchObject([{ type: 'array' }, REFERENCE])
  expect(at(schema, ...KINDS, 'file', 'properties', 'source')).toMatchObject({ type: 'string' })
  expect(at(schema, ...KINDS, 'release', 'properties', 'source')).toMatchObject({ description: expect.stringMatching(/^directory/) })
  expect(at(schema, ...KINDS, 'package', 'properties')).not.toHaveProperty('source')
  // A kind that takes a file as it is has no template.
  expect(at(schema, ...KINDS, 'archive', 'properties')).toMatchObject({ source: { description: expect.stringMatching(/^file/) } })
  for (const kind of ['archive', 'database-dump', 'tree']) expect(at(schema, ...KINDS, kind, 'properties')).not.toHaveProperty('template')
  expect(at(schema, ...KINDS, 'package')).not.toHaveProperty('required')
})

test('a role has its members, and an inventory the variables of roles at every level', () => {
  expect(at(editorSchema('role', known), 'required')).toEqual(['summary', 'resources'])
  expect(Object.keys(at(editorSchema('role', known), 'properties') as object)).toEqual(['summary', 'options', 'resources', 'repeatable'])
  const inventory = editorSchema('inventory', known)
  for (const path of [
    ['vars'],
    ['hosts', 'additionalProperties', 'properties', 'vars'],
    ['groups', 'additionalProperties', 'properties', 'vars'],
  ])
    expect(at(inventory, 'properties', ...path, 'properties', 'shop', 'properties')).toHaveProperty('port')
  expect(at(inventory, 'properties', 'hosts', 'additionalProperties', 'properties')).toHaveProperty('address')
})
