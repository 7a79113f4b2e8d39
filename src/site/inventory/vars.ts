import type { Problem } from '../../problem.ts'
import { Secret } from '../../secret/secret.ts'
import { ansibleHint, isNothing, keepValid } from '../schema/keep-valid.ts'
import { CONNECTION_SETTINGS, PLACE_SETTINGS, varsSchema } from '../schema/settings.ts'
import { complaint } from '../source/complaint.ts'
import type { Written, WrittenEntry, WrittenMap } from '../source/source-map.ts'

/** Names that begin so are the user's own: nothing here reads them. */
const FREE = 'x_'

/** Reads one `vars` map: connection settings, the options of roles under their names, and the user's own `x_` variables. */
export interface VarsReader {
  (entry: WrittenEntry | undefined, whatFor: string): WrittenMap
  /** Where the options of a role belong, when they stand beside `vars` and not in it. */
  roleHint(key: string): string | undefined
}

export const emptyMap: WrittenMap = { is: 'map', entries: new Map(), place: { file: '' } }

export const varsReader = (knownRoles: readonly string[], problems: Problem[]): VarsReader => {
  const schema = varsSchema(knownRoles)
  const roles = new Set(knownRoles)
  const hint = (key: string) =>
    PLACE_SETTINGS.has(key) ? `\`${key}\` belongs to one host: write it beside the host’s name under \`hosts\`` : ansibleHint(key)
  const read = (entry: WrittenEntry | undefined, whatFor: string): WrittenMap => {
    if (entry === undefined) return emptyMap
    const { node } = entry
    const free = node.is === 'map' ? [...node.entries].filter(([key]) => key.startsWith(FREE)) : []
    const strict = node.is === 'map' ? { ...node, entries: new Map([...node.entries].filter(([key]) => !key.startsWith(FREE))) } : node
    const valid = normalised(keepValid(strict, { whatFor, schema, hint }, problems), problems)
    // A role's name with nothing after it sets nothing; it does not wipe out what the levels below set.
    const said = [...valid.entries].filter(([key, inner]) => !(roles.has(key) && isNothing(inner.node)))
    return { ...valid, entries: new Map([...said, ...free]) }
  }
  const roleHint = (key: string) => (roles.has(key) ? `write it under \`vars\`, which holds the options of roles` : undefined)
  return Object.assign(read, { roleHint })
}

/** One spelling for each setting, so that levels replace each other: `keys` for `key`, lists for single values, secrets masked. */
export const normalised = (node: WrittenMap, problems: Problem[]): WrittenMap => {
  const entries = new Map<string, WrittenEntry>()
  for (const [key, entry] of node.entries) {
    if (!CONNECTION_SETTINGS.has(key)) entries.set(key, entry)
    else if (key === 'key' && node.entries.has('keys'))
      problems.push(complaint(entry.key, '`key` and `keys` are both given', 'keep `keys`, and put this file on its list'))
    else entries.set(key === 'key' ? 'keys' : key, { key: entry.key, node: normal(key, entry.node) })
  }
  return { ...node, entries }
}

const LISTS: ReadonlySet<string> = new Set(['key', 'known_hosts', 'jump'])
/** The connection settings that are secrets, however they are written. */
export const SECRETS: ReadonlySet<string> = new Set(['passphrase', 'sudo_password'])

const normal = (key: string, node: Written): Written => {
  if (node.is !== 'scalar') return node
  if (LISTS.has(key)) return { is: 'list', items: [node], place: node.place }
  return SECRETS.has(key) && typeof node.value === 'string' ? { ...node, value: new Secret(node.value) } : node
}
