import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { directoriesAbove, OURS } from './path-queries.ts'
import { READ_OTHERS } from './walk-read.ts'

/** Directory of the stamps. In /run on purpose: a boot deletes it, and loads what is on the disk. */
export const STAMPS = '/run/provision/loaded'

/** What a resource without content is for a service that depends on it: the target of a link, a version, a mode with its owner. */
export interface Aspect {
  readonly is: 'link' | 'package' | 'permissions'
  /** The path, or the name of the package. */
  readonly of: string
}

/** The files that a service loaded when provision last started, restarted or reloaded it. */
export interface Stamp {
  /** StateChangeTimestampMonotonic of the unit at that moment. A start, restart or reload by somebody else moves it and voids the stamp. */
  readonly at: string
  /** Digest by path, or `absent`. */
  readonly sums: ReadonlyMap<string, string>
  /** Lines about resources without content. */
  readonly facts?: readonly string[]
}

/**
 * Reads the lines of a stamp: the time, then lines of `sha256sum`, `absent PATH` and `fact …`. Returns undefined for a file that is no
 * stamp.
 */
export const readStamp = ([at, ...lines]: readonly string[]): Stamp | undefined => {
  if (at === undefined || !/^\d+$/.test(at)) return undefined
  const facts = lines.filter((line) => line.startsWith('fact\t'))
  return { at, sums: new Map(lines.flatMap(readSum)), ...(facts.length > 0 && { facts }) }
}

// A name with a backslash is escaped by sha256sum, and its line starts with one.
export const readSum = (line: string): readonly (readonly [string, string])[] => {
  const [, escaped, sha256, path] = /^(\\?)([0-9a-f]{64}|absent) [ *]?(\/.*)$/.exec(line) ?? []
  if (sha256 === undefined || path === undefined) return []
  return [[escaped === '\\' ? path.replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c)) : path, sha256]]
}

/** Shell function `digests`: lines of `sha256sum` for paths that exist. `$others` and `$work` must be set (see `untrustedScript`). */
export const DIGESTS = sh`reader=${READ_OTHERS}
digests() { if [ "$others" ]; then perl -e "$reader" -- digests "$work" '' "$@" | tr '\\0' '\\n'; else sha256sum -- "$@" 2>/dev/null; fi; }
`

/** Sets `$others` if accounts other than root control some of these files. They are then read without trusting names, up to a limit. */
export const untrustedScript = (paths: readonly string[]): Script => {
  const watched = [...new Set([...paths.flatMap(directoriesAbove), ...paths])]
  if (watched.length === 0) return sh`others=`
  return sh`find ${watched} -prune ! \\( ${OURS} \\) -print >"$work/others.0" 2>/dev/null; others=; [ ! -s "$work/others.0" ] || others=1`
}
