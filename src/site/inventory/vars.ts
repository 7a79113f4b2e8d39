import type { Problem } from '../../problem.ts'
import { Secret } from '../../secret/secret.ts'
import { ansibleHint, isNothing, keepValid } from '../schema/keep-valid.ts'
import { ADDRESS_SETTINGS, HOST_SETTINGS, varsSchema } from '../schema/settings.ts'
import { inputProblem } from '../source/input-problem.ts'
import type { SourceEntry, SourceMap, SourceNode } from '../source/source-map.ts'

/** Prefix of the user's own entries: variables for their roles, and values to repeat by an alias. They are not checked. */
const CUSTOM_PREFIX = 'x_'

/** Returns the node without the user's own entries. */
export const withoutCustom = (node: SourceNode): SourceNode =>
  node.is === 'map' ? { ...node, entries: new Map([...node.entries].filter(([key]) => !key.startsWith(CUSTOM_PREFIX))) } : node

/** Reads a `vars` map: connection settings, options of roles under the roles' names, and custom `x_` variables. */
export interface VarsReader {
  (entry: SourceEntry | undefined, label: string): SourceMap
  /** Returns a fix if the key is a role whose options belong into `vars`. */
  roleHint(key: string): string | undefined
}

export const emptyMap: SourceMap = { is: 'map', entries: new Map(), place: { file: '' } }

export const varsReader = (knownRoles: readonly string[], problems: Problem[]): VarsReader => {
  const schema = varsSchema(knownRoles)
  const roles = new Set(knownRoles)
  const hint = (key: string) =>
    ADDRESS_SETTINGS.has(key) ? `move \`${key}\` to a host under \`hosts\`, because it applies to one host` : ansibleHint(key)
  const read = (entry: SourceEntry | undefined, label: string): SourceMap => {
    if (entry === undefined) return emptyMap
    const { node } = entry
    const custom = node.is === 'map' ? [...node.entries].filter(([key]) => key.startsWith(CUSTOM_PREFIX)) : []
    const valid = normalizeSettings(keepValid(withoutCustom(node), { label, schema, hint }, problems), problems)
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
