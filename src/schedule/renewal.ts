import { createHash } from 'node:crypto'
import { basename } from 'node:path'

/** The role whose certificates are renewed. */
export const ROLE = 'haproxy-tls'

/** Login account of a scheduled run on the load balancers. */
export const ACCOUNT = 'provision-renewal'

/** Returns the name of a project's units. The digest distinguishes projects of the same name. */
export const nameOf = (root: string): string =>
  `provision-renew-${basename(root).replaceAll(/[^A-Za-z0-9_-]+/g, '-') || 'project'}-${createHash('sha256').update(root).digest('hex').slice(0, 6)}`

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

/** Returns the inventory lines that create the account on the load balancers only. */
export const inventoryLines = (pattern: string, publicKey: string, others: readonly unknown[]): string => {
  const entries = [...others, { name: ACCOUNT, keys: [publicKey] }]
  return pattern
    .split(',')
    .map((name) => (pattern.includes(',') ? `hosts:\n  ${name}:\n` : `groups:\n  ${name}:\n`))
    .map(
      (head) =>
        `${head}    vars:\n      base:\n        administrators:\n${entries.map((entry) => `          - ${JSON.stringify(entry)}\n`).join('')}`,
    )
    .join('')
}
