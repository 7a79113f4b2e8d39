import { createHash } from 'node:crypto'
import { basename } from 'node:path'

/** The role whose certificates are renewed. */
export const ROLE = 'haproxy-tls'

/** The account on the balancers that a scheduled run logs in with. */
export const ACCOUNT = 'provision-renewal'

/** What the units of a project are called; two projects of one name are two. */
export const nameOf = (root: string): string =>
  `provision-renew-${basename(root).replaceAll(/[^A-Za-z0-9_-]+/g, '-') || 'project'}-${createHash('sha256').update(root).digest('hex').slice(0, 6)}`

/** The words behind `provision` that renew and touch nothing else; the key is still to be named. */
export const renewingRun = (playbooks: readonly string[], inventory: string | undefined, limit: string): readonly string[] => [
  ...['run', ...playbooks],
  ...(inventory === undefined ? [] : ['--inventory', inventory]),
  ...['--role', ROLE, '--limit', limit, '--user', ACCOUNT, '--wait', '--output', 'plain'],
]

/** The group that the balancers are, or else all their names. */
export const patternFor = (hosts: readonly string[], groups: ReadonlyMap<string, readonly string[]>): string => {
  const wanted = hosts.toSorted().join()
  return [...groups].find(([name, members]) => name !== 'all' && members.toSorted().join() === wanted)?.[0] ?? hosts.join(',')
}

/** What the inventory must say so that the account is there, on the balancers only. */
export const inventoryLines = (pattern: string, publicKey: string, others: readonly unknown[]): string => {
  const entries = [...others, { name: ACCOUNT, keys: [publicKey] }]
  return pattern
    .split(',')
    .map((name) => (pattern.includes(',') ? `hosts:\n  ${name}:\n` : `groups:\n  ${name}:\n`))
    .map(
      (head) =>
        `${head}    vars:\n      base:\n        administrators:\n${entries.map((one) => `          - ${JSON.stringify(one)}\n`).join('')}`,
    )
    .join('')
}
