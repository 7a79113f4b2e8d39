import { createHash } from 'node:crypto'
import { basename } from 'node:path'

/** The role whose certificates are renewed. */
export const ROLE = 'haproxy-tls'

/** Login account of a scheduled run on the load balancers. */
export const ACCOUNT = 'provision-renewal'

/** Returns the name of a project's units. The digest distinguishes projects of the same name. */
export const nameOf = (root: string, prefix = 'provision-renew'): string =>
  `${prefix}-${basename(root).replaceAll(/[^A-Za-z0-9_-]+/g, '-') || 'project'}-${createHash('sha256').update(root).digest('hex').slice(0, 6)}`

/** Returns the arguments of a run that only renews certificates, without `--key`. */
export const renewingRun = (playbooks: readonly string[], inventory: string | undefined, limit: string): readonly string[] => [
  ...['run', ...playbooks],
  ...(inventory === undefined ? [] : ['--inventory', inventory]),
  ...['--role', ROLE, '--limit', limit, '--user', ACCOUNT, '--wait', '--output', 'plain'],
]

/** Returns the group that consists of exactly these hosts, or else their names. */
export const patternFor = (hosts: readonly string[], groups: ReadonlyMap<string, readonly string[]>): string => {
  const names = hosts.toSorted().join()
  return [...groups].find(([name, members]) => name !== 'all' && members.toSorted().join() === names)?.[0] ?? hosts.join(',')
}

/** The hosts of a scheduled job: their pattern, and the written options of role base of each; undefined without the role. */
export interface JobHosts {
  readonly pattern: string
  readonly hosts: ReadonlyMap<string, unknown>
}

/** The lack of the account in the inventory: lines to add, or an entry to replace. */
export type Missing =
  | { readonly do: 'add'; readonly lines: string; readonly repeats: boolean }
  | { readonly do: 'replace'; readonly entry: string }

/**
 * Returns what the inventory needs for the account on these hosts only; undefined if it has it. The lines use the additive list,
 * because a copy of `administrators` would keep people whom the outer list does not have any more.
 */
export const missingAccount = ({ pattern, hosts }: JobHosts, publicKey: string, account = ACCOUNT): Missing | undefined => {
  const mine = { name: account, keys: [publicKey] }
  const listed = (options: unknown) =>
    [...entriesOf(options, 'administrators'), ...entriesOf(options, MORE)].filter(({ name }) => name === account)
  const without = [...hosts].filter(([, options]) => listed(options).length === 0)
  const entries = [...hosts.values()].flatMap(listed)
  if (entries.some(({ keys, state }) => state === 'absent' || !Array.isArray(keys) || !keys.includes(publicKey)))
    return { do: 'replace', entry: JSON.stringify(mine) }
  if (without.length === 0) return undefined
  const repeated = new Set(without.flatMap(([, options]) => entriesOf(options, MORE).map((entry) => JSON.stringify(entry))))
  const isGroup = without.length === hosts.size && !pattern.split(',').every((name) => hosts.has(name))
  const names = isGroup ? [pattern] : without.map(([name]) => name)
  const listAt = (indent: string): string =>
    [`vars:`, `  base:`, `    ${MORE}:`, ...[...repeated, JSON.stringify(mine)].map((entry) => `      - ${entry}`)]
      .map((line) => `${indent}${line}\n`)
      .join('')
  return {
    do: 'add',
    lines:
      isGroup && pattern === ALL
        ? listAt('')
        : `${isGroup ? 'groups' : 'hosts'}:\n${names.map((name) => `  ${name}:\n${listAt('    ')}`).join('')}`,
    repeats: repeated.size > 0,
  }
}

/** The pattern of all hosts. Their variables are at the top of the inventory. */
export const ALL = 'all'

const MORE = 'more_administrators'

interface Entry {
  readonly name?: unknown
  readonly keys?: unknown
  readonly state?: unknown
}

const entriesOf = (options: unknown, list: 'administrators' | typeof MORE): readonly Entry[] => {
  const entries = (options as Readonly<Record<string, unknown>> | undefined)?.[list]
  return Array.isArray(entries) ? entries.filter((entry) => typeof entry === 'object' && entry !== null) : []
}
