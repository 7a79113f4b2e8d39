import type { Call } from './bench.ts'
import type { Point } from './trials.ts'

/** The points within requests. Of the many files of a package that dpkg renames, one after the other, one of ten stands for all. */
export const pointsOf = (calls: readonly Call[], way: 'shell' | 'power', host: string): readonly Point[] => {
  let unpacked = 0
  return calls
    .filter(({ count, by, call }) => count > 0 && (by !== 'dpkg' || call !== 'rename' || unpacked++ % 10 === 0))
    .map(({ count }) => ({ way, at: count, host }))
}

/** Programs that bring to the disk what they rename by rules of their own. */
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
])

/**
 * Renames that would put a file in place whose bytes may not be on the disk yet: nobody told the kernel to write it since the
 * rename before of the same name. What lies in /run is gone after a power cut anyhow.
 */
export const unsynced = (calls: readonly Call[]): readonly string[] => {
  const synced = new Set<string>()
  let all: readonly string[] = []
  const found = new Set<string>()
  for (const { call, by, paths } of calls) {
    const [path = '', to = ''] = paths
    if (call === 'fsync') synced.add(path)
    else if (call === 'syncfs' || call === 'sync') all = [...all, call === 'sync' ? '/' : `${path}/`]
    else if (call === 'rename' && !OTHERS.has(by) && !/^\/(run|tmp)\//.test(to) && !isLink(path)) {
      if (!synced.has(path) && !all.some((root) => path.startsWith(root))) found.add(`${path} → ${to}`)
    }
  }
  return [...found]
}

// A link has no bytes: its name is all there is to it, and comes with the directory.
const isLink = (path: string): boolean => /\/\.link\.provision-new$|\/current$/.test(path)
