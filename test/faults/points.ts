import type { Call } from './bench.ts'
import type { Point } from './trials.ts'

/** The points within requests. dpkg renames many files of a package one after the other; one in ten is tested. */
export const pointsOf = (calls: readonly Call[], way: 'shell' | 'power', host: string): readonly Point[] => {
  let unpacked = 0
  return calls
    .filter(({ count, by, call }) => count > 0 && (by !== 'dpkg' || call !== 'rename' || unpacked++ % 10 === 0))
    .map(({ count }) => ({ way, at: count, host }))
}

/** Programs with their own rules for fsync before a rename. */
const OTHERS = new Set([
  'dpkg',
  'apt-get',
  'apt',
  'dpkg-trigger',
  'groupadd',
  'groupmod',
  'groupdel',
  'useradd',
  'usermod',
  'userdel',
  'systemctl',
  'git',
])

/**
 * Renames that would put a file in place whose bytes may not be on the disk yet: nobody told the kernel to write it since the
 * rename before of the same name. Files in /run do not survive a power cut.
 */
export const unsynced = (calls: readonly Call[]): readonly string[] => {
  const renamed = new Map<string, number>()
  const synced: { readonly at: number; readonly holds: (path: string) => boolean }[] = []
  const found = new Set<string>()
  for (const [at, { call, by, paths }] of calls.entries()) {
    const [path = '', to = ''] = paths
    if (call === 'fsync') synced.push({ at, holds: (one) => one === path })
    else if (call === 'syncfs') synced.push({ at, holds: (one) => one.startsWith(`${path}/`) })
    else if (call === 'sync') synced.push({ at, holds: () => true })
    else if (call === 'rename') {
      const last = calls.slice(0, at).findLast((one) => one.by === by)
      // `mv` tries first whether the new name is free.
      if (last?.call === 'rename' && last.paths[0] === path && last.paths[1] === to) continue
      const before = renamed.get(path) ?? -1
      renamed.set(path, at)
      if (OTHERS.has(by) || /^\/(run|tmp)\//.test(to) || isLink(path) || isDeleted(to) || isOfDebconf(path)) continue
      if (!synced.some((one) => one.at > before && one.holds(path))) found.add(`${path} → ${to}`)
    }
  }
  return [...found]
}

// A tree is moved away at once, and then deleted.
const isDeleted = (to: string): boolean => to.endsWith('.provision-tree/former')

// The database of debconf: its own programs write it, and keep the version before.
const isOfDebconf = (path: string): boolean => path.startsWith('/var/cache/debconf/')

// A link has no content: its target is stored with the directory.
const isLink = (path: string): boolean => /\.link\.provision-new$|\/(current|\.current\.new)$/.test(path)
