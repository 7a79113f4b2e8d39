import { parentOf } from '../../resource/kind/path.ts'
import { HostRefusal } from '../../resource/kind/step.ts'
import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import type { Session } from '../observe/session.ts'
import type { PendingChange } from '../plan/plan-host.ts'

/** A mounted file system. */
export interface Mount {
  readonly at: string
  readonly availableKB: number
  readonly freeInodes: number
  readonly readOnly: boolean
}

// The third message is tar's.
const FULL = /No space left on device|Disk quota exceeded|Wrote only \d+ of \d+ bytes/
const READ_ONLY = /Read-only file system/

/**
 * Adds the mount to a refusal that is about a full or read-only disk: programs name only the file. Returns the refusal unchanged if the
 * host does not report its mounts.
 */
export const withMount = async (refused: HostRefusal, { shell }: Session, work: readonly PendingChange[]): Promise<HostRefusal> => {
  if (!FULL.test(refused.why) && !READ_ONLY.test(refused.why)) return refused
  const paths = [...new Set([...work.flatMap(pathsOf), '/var/lib/provision', '/var/tmp', '/run'])]
  const mounts = await shell.request(String(mountScript(paths))).then(
    ({ stdout }) => readMounts(stdout.toString()),
    () => [],
  )
  return explained(refused, mounts)
}

/** The refusal with the full or read-only mount added. Pure. */
export const explained = (refused: HostRefusal, mounts: readonly Mount[]): HostRefusal => {
  const isReadOnly = READ_ONLY.test(refused.why)
  const [culprit] = isReadOnly
    ? mounts.filter(({ readOnly }) => readOnly)
    : [...mounts.filter((mount) => leftOn(mount) < SCARCE).sort((a, b) => leftOn(a) - leftOn(b)), ...mounts]
  if (culprit === undefined) return refused
  const { what, why, done, culprit: which } = refused
  if (isReadOnly) {
    const fix = `check dmesg for disk errors, remount it: mount -o remount,rw ${culprit.at}, and run again`
    return new HostRefusal(`${what}: ${culprit.at} is mounted read-only`, why, fix, { done, culprit: which })
  }
  const left = culprit.freeInodes < culprit.availableKB ? `${culprit.freeInodes} inodes` : `${culprit.availableKB} KB`
  const fix = `free space on ${culprit.at}, and run again; the previous content is intact`
  return new HostRefusal(`${what}: ${culprit.at} is full`, `${why}\n${culprit.at} has ${left} left`, fix, { done, culprit: which })
}

const leftOn = ({ availableKB, freeInodes }: Mount): number => Math.min(availableKB, freeInodes)

/** KB or inodes below which a mount counts as full. If none is, the file was too large, and its own mount is named. */
const SCARCE = 1024

const pathsOf = ({ resource }: PendingChange): readonly string[] => {
  const kind = resource.kind
  const files = (kind.files?.(resource.spec) ?? []).map(({ path }) => path)
  return [...files, ...(resource.id.startsWith('/') ? [resource.id] : [])].map(parentOf)
}

/** One line per mount: available kilobytes, mount point, free inodes, mount options. */
const mountScript = (paths: readonly string[]): Script => sh`
set -- ${paths}
for path do [ -e "$path" ] || continue
  df -kP -- "$path" | { read -r _; read -r _ _ _ available _ mount; printf '%s %s ' "$available" "$mount"; }
  df -iP -- "$path" | { read -r _; read -r _ _ _ available _; printf '%s ' "$available"; }
  mount=$(df -P -- "$path" | { read -r _; read -r _ _ _ _ _ mount; printf %s "$mount"; })
  found=; while read -r _ at _ options _; do [ "$at" = "$mount" ] && found=$options; done </proc/mounts; printf '%s\\n' "\${found:-}"
done`

const readMounts = (stdout: string): readonly Mount[] => {
  const lines = stdout.split('\n').flatMap((line): readonly Mount[] => {
    const [available, at, inodes, options = ''] = line.split(' ')
    if (at === undefined || !at.startsWith('/')) return []
    // A file system that reports no number of inodes has no limit on them.
    const freeInodes = /^\d+$/.test(inodes ?? '') && inodes !== '0' ? Number(inodes) : inodes === '0' ? 0 : Number.POSITIVE_INFINITY
    return [{ at, availableKB: Number(available), freeInodes, readOnly: options.split(',').includes('ro') }]
  })
  return [...new Map(lines.map((mount) => [mount.at, mount])).values()]
}
