import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { secret } from '../../../src/resource/kind/secret.ts'
import type { Role } from '../../../src/role/role.ts'
import { hostSchema } from '../../../src/site/schema/settings.ts'
import { poisonedInventory } from '../../e2e/support/secrets/secrets-site.ts'

type Schema = z.core.$ZodType
type Def = z.core.$ZodTypes['_zod']['def']

/** Whether the value is a marked secret. */
const isMarked = (value: unknown): boolean => typeof value === 'string' && /\$\{(env:POISON_|secret:|command:)/.test(value)

const fieldsOf = (values: readonly unknown[], key: string): readonly unknown[] =>
  values.flatMap((value) => (typeof value === 'object' && value !== null && key in value ? [(value as Record<string, unknown>)[key]] : []))

/** Returns the secret options of a schema, and whether one of the values has a marked secret for each. */
const secretsIn = (
  schema: Schema,
  values: readonly unknown[],
  path: string,
): readonly { readonly path: string; readonly marked: boolean }[] => {
  const def = schema._zod.def as Def
  const below = (inner: Schema, of: readonly unknown[], step: string) => secretsIn(inner, of, `${path}${step}`)
  switch (def.type) {
    case 'custom':
      return (def as { params?: { secret?: boolean } }).params?.secret === true ? [{ path, marked: values.some(isMarked) }] : []
    case 'object':
      return Object.entries(def.shape).flatMap(([key, inner]) => below(inner, fieldsOf(values, key), path === '' ? key : `.${key}`))
    case 'array':
      return below(def.element, values.flat(), '[]')
    case 'record':
      return below(
        def.valueType,
        values.flatMap((value) => Object.values(value ?? {})),
        '{}',
      )
    case 'union':
      return def.options.flatMap((one, i) =>
        below(
          one,
          values.filter((value) => z.safeParse(one, value).success),
          named(one) ?? `(${i})`,
        ),
      )
    case 'pipe':
      return [...below(def.in, values, ''), ...below(def.out, values, '')]
    case 'optional':
    case 'default':
    case 'prefault':
    case 'nullable':
    case 'readonly':
    case 'nonoptional':
    case 'catch':
      return below(def.innerType, values, '')
    case 'string':
    case 'number':
    case 'boolean':
    case 'enum':
    case 'literal':
    case 'null':
    case 'unknown':
    case 'transform':
      return []
    default:
      throw new Error(`${path}: teach this test what a ${def.type} may hold`)
  }
}

/** Returns the discriminator of a union member: `(slack)`. */
const named = (schema: Schema): string | undefined => {
  const def = schema._zod.def as Def
  const type = def.type === 'object' ? (def.shape.type?._zod.def as Def | undefined) : undefined
  return type?.type === 'literal' ? `(${type.values.join()})` : undefined
}

const site = parse(poisonedInventory({ subnet: '10.0.0', lab: 'lab' }, 'none')) as Record<'vars' | 'groups', Record<string, unknown>>
const levels = [site.vars, ...fieldsOf(Object.values(site.groups), 'vars')]

const roles = readdirSync(join(import.meta.dirname, '../../../roles'))
const optionsOf = async (role: string): Promise<Schema> =>
  ((await import(join(import.meta.dirname, '../../../roles', role, 'role.ts'))) as { default: Role }).default.options

/** Options that a run of that site cannot use, and the test that follows their secrets. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  // The role app shares them with nginx.
  'app.applications[].environment{}': 'unit/roles/app/role.test.ts',
  'app.applications[].source(1).key': 'full/git.test.ts',
  'app.applications[].source(1).token': 'unit/resource/fetched/git.test.ts',
  'base.administrators[].password': 'unit/resource/account/user-password.test.ts',
  'base.administrators[].totp': 'e2e/base-role.test.ts',
  'base.more_administrators[].password': 'unit/resource/account/user-password.test.ts',
  'base.more_administrators[].totp': 'e2e/base-role.test.ts',
  'nginx.sites[].app.source(1).key': 'full/git.test.ts',
  'nginx.sites[].app.source(1).token': 'unit/resource/fetched/git.test.ts',
}

test('the site of the poison test has a marked secret for every secret option of shipped roles', async () => {
  const found = [
    ...secretsIn(hostSchema, levels, ''),
    ...(await Promise.all(roles.map(async (role) => secretsIn(await optionsOf(role), fieldsOf(levels, role), role)))).flat(),
  ]
  for (const file of Object.values(ELSEWHERE)) expect(existsSync(join(import.meta.dirname, '../..', file)), file).toBe(true)
  const here = found.filter(({ path }) => !(path in ELSEWHERE))
  expect(found.flatMap(({ path }) => (path in ELSEWHERE ? [path] : [])).toSorted()).toEqual(Object.keys(ELSEWHERE))
  expect(here.map(({ path }) => path).toSorted()).toEqual([
    'backup.environment{}',
    'backup.password',
    'backup.ssh.key',
    'haproxy-tls.acme.dns_update.key.secret',
    'haproxy-tls.acme.external_account.hmac_key',
    'haproxy-tls.certificates[].own.key',
    'haproxy-tls.locations{}.users{}',
    'haproxy-tls.sites[].locations{}.users{}',
    'haproxy-tls.sites[].users{}',
    'haproxy-tls.users{}',
    'monitoring.dashboard(1).users{}',
    'monitoring.heartbeat',
    'monitoring.probes[](0).auth(0).password',
    'monitoring.probes[](0).auth(1).token',
    'monitoring.receivers[](discord).url',
    'monitoring.receivers[](email).password',
    'monitoring.receivers[](ntfy).auth(0).password',
    'monitoring.receivers[](ntfy).auth(1).token',
    'monitoring.receivers[](ntfy).url',
    'monitoring.receivers[](opsgenie).api_key',
    'monitoring.receivers[](pagerduty).routing_key',
    'monitoring.receivers[](slack).url',
    'monitoring.receivers[](teams).url',
    'monitoring.receivers[](telegram).bot_token',
    'monitoring.receivers[](webhook).auth(0).password',
    'monitoring.receivers[](webhook).auth(1).token',
    'monitoring.receivers[](webhook).url',
    'monitoring.remote_write[].auth(0).password',
    'monitoring.remote_write[].auth(1).token',
    'monitoring.targets[](1).auth(0).password',
    'monitoring.targets[](1).auth(1).token',
    'mysql.backups.copies[].s3.access_key',
    'mysql.backups.copies[].s3.secret_key',
    'mysql.backups.copies[].sftp.key',
    'mysql.users[].password',
    'nginx.sites[].app.environment{}',
    'nginx.sites[].locations{}.users{}',
    'nginx.sites[].users{}',
    'passphrase',
    'postgresql.users[].password',
    'redis.password',
    'redis.users[].password',
    'sudo_password',
  ])
  expect(here.filter(({ marked }) => !marked)).toEqual([])
})

test('an option without a marked secret is found in lists, maps and unions', () => {
  const schema = z.strictObject({
    way: z.array(
      z.discriminatedUnion('type', [z.strictObject({ type: z.literal('a'), key: secret() }), z.strictObject({ type: z.literal('b') })]),
    ),
    words: z.record(z.string(), secret().optional()).default({}),
    other: secret().optional(),
  })
  const marked = `\${env:POISON_A}`
  expect(secretsIn(schema, [{ way: [{ type: 'b' }], words: { x: marked }, other: 'plain' }], '')).toEqual([
    { path: 'way[](a).key', marked: false },
    { path: 'words{}', marked: true },
    { path: 'other', marked: false },
  ])
})
