import type { z } from 'zod'
import type { Problem } from '../../problem.ts'
import { Secret } from '../../secret/secret.ts'
import { ansibleHint, isNothing, keepValid } from '../schema/keep-valid.ts'
import { ADDRESS_SETTINGS, HOST_SETTINGS, varsSchema } from '../schema/settings.ts'
import { inputProblem } from '../source/input-problem.ts'
import { plainValue, type SourceEntry, type SourceMap, type SourceNode } from '../source/source-map.ts'
import { nearest } from '../source/suggest.ts'

/** Prefix of the user's own entries, such as values to repeat by an alias. They are never taken for a misspelt setting. */
const CUSTOM_PREFIX = 'x_'

/** Returns the node without the user's own entries. */
export const withoutCustom = (node: SourceNode): SourceNode =>
  node.is === 'map' ? { ...node, entries: new Map([...node.entries].filter(([key]) => !key.startsWith(CUSTOM_PREFIX))) } : node

/**
 * Whether an unknown variable is one of the user's own, for their roles and for `${vars.NAME}`. It is a misspelt setting or role if its name
 * resembles one whose value it could be: `usr: ops` is, and `users: […]` is not.
 */
const isOwnVariable = (key: string, node: SourceNode, schema: ReturnType<typeof varsSchema>): boolean => {
  if (!/^[A-Za-z][A-Za-z0-9_-]*$/.test(key) || key in {}) return false
  const shape: Readonly<Record<string, z.ZodType>> = schema.shape
  const near = nearest(key, Object.keys(shape))
  return near === undefined || shape[near]?.safeParse(plainValue(node)).success !== true
}

/** Reads a `vars` map: connection settings, options of roles under the roles' names, and variables of the user's own. */
export interface VarsReader {
  (entry: SourceEntry | undefined, label: string): SourceMap
  /** Returns a fix if the key is a role whose options belong into `vars`. */
  roleHint(key: string): string | undefined
}

export const emptyMap: SourceMap = { is: 'map', entries: new Map(), place: { file: '' } }

export const varsReader = (knownRoles: readonly string[], problems: Problem[]): VarsReader => {
  const schema = varsSchema(knownRoles)
  const roles = new Set(knownRoles)
  const known: ReadonlySet<string> = new Set([...roles, ...HOST_SETTINGS])
  const hint = (key: string) =>
    ADDRESS_SETTINGS.has(key) ? `move \`${key}\` to a host under \`hosts\`, because it applies to one host` : ansibleHint(key)
  const read = (entry: SourceEntry | undefined, label: string): SourceMap => {
    if (entry === undefined) return emptyMap
    const { node } = entry
    const isOwn = ([key, inner]: readonly [string, SourceEntry]): boolean =>
      key.startsWith(CUSTOM_PREFIX) || (!known.has(key) && hint(key) === undefined && isOwnVariable(key, inner.node, schema))
    const custom = node.is === 'map' ? [...node.entries].filter(isOwn) : []
    const others: SourceNode = node.is === 'map' ? { ...node, entries: new Map([...node.entries].filter((one) => !isOwn(one))) } : node
    const valid = normalizeSettings(keepValid(others, { label, schema, hint }, problems), problems)
    // A role without a value sets nothing, and does not replace the options of other levels.
    const nonEmpty = [...valid.entries].filter(([key, inner]) => !(roles.has(key) && isNothing(inner.node)))
    return { ...valid, entries: new Map([...nonEmpty, ...custom]) }
  }
  const roleHint = (key: string) => (roles.has(key) ? 'move it to `vars`, which contains the options of roles' : undefined)
  return Object.assign(read, { roleHint })
}

/** Normalizes settings so that levels can replace each other: `keys` for `key`, lists for single values, `Secret` for secrets. */
export const normalizeSettings = (node: SourceMap, problems: Problem[]): SourceMap => {
  const entries = new Map<string, SourceEntry>()
  for (const [key, entry] of node.entries) {
    if (!HOST_SETTINGS.has(key)) entries.set(key, entry)
    else if (key === 'key' && node.entries.has('keys'))
      problems.push(inputProblem(entry.key, '`key` and `keys` are both set', 'move this file to `keys`, and remove `key`'))
    else entries.set(key === 'key' ? 'keys' : key, { key: entry.key, node: normalizeSetting(key, entry.node) })
  }
  return { ...node, entries }
}

const LISTS: ReadonlySet<string> = new Set(['key', 'known_hosts', 'jump'])
/** Connection settings that are always secrets. */
export const SECRETS: ReadonlySet<string> = new Set(['passphrase', 'sudo_password'])

const normalizeSetting = (key: string, node: SourceNode): SourceNode => {
  if (node.is !== 'scalar') return node
  if (LISTS.has(key)) return { is: 'list', items: [node], place: node.place }
  return SECRETS.has(key) && typeof node.value === 'string' ? { ...node, value: new Secret(node.value) } : node
}
