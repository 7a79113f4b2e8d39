import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { argumentLists } from './chunks.ts'
import { ABSENT, type InodeState } from './inode.ts'

/** Questions that several kinds share. The host answers them once for all kinds, so another kind starts no further process. */
export interface SharedQueries {
  /** Paths: type, mode, owner, group and link target, or absent; and the time of the last change. */
  readonly inodes?: readonly string[]
  /** Directories of root, or links of root to a directory beside them (`current` → `releases/NAME`): all entries below. */
  readonly trees?: readonly string[]
  /** Paths: SHA-256 of each regular file. Read before `texts`, so a write that checks the digest also covers the text. */
  readonly digests?: readonly string[]
  /** Expected length, in bytes, of files in `digests` over 1 MiB. No more is read of a file that another account may have made. */
  readonly sizes?: ReadonlyMap<string, number>
  /** Paths: lines of each regular file. For small files. */
  readonly texts?: readonly string[]
  /** Lines of every file that matches a pattern; `*` matches anything but a slash. */
  readonly patterns?: readonly string[]
  /** Paths of `inodes` that may be used only where root alone can replace them. `planUnreached` refuses the others. */
  readonly guarded?: readonly string[]
  /** systemd units, no templates: LoadState, ActiveState and other properties. */
  readonly units?: readonly string[]
}

/** Answers of a host to the shared queries. A path or unit that the host did not report is missing: that does not mean absent. */
export interface Answers {
  readonly inodes: ReadonlyMap<string, InodeState>
  /** By directory, then by path within it; the empty path is the directory. A directory that does not exist is missing. */
  readonly trees: ReadonlyMap<string, ReadonlyMap<string, Member>>
  /** Paths in a directory whose entries another account can replace, also where a link of root leads to it. */
  readonly others?: ReadonlySet<string>
  /** Time of the last change of an inode (ctime), in microseconds since 1970. */
  readonly changed: ReadonlyMap<string, number>
  readonly digests: ReadonlyMap<string, string>
  readonly texts: ReadonlyMap<string, readonly string[]>
  readonly units: ReadonlyMap<string, ReadonlyMap<string, string>>
}

/** An entry of a tree: type as `find -printf %y` prints it, octal mode, and owner and group by number (`0:0`). */
export interface Member {
  readonly type: string
  readonly mode: string
  readonly owner: string
  /** Time of the last change of its content (mtime), in microseconds since 1970. */
  readonly modified?: number
}

/** A script, and a parser for its output. */
export interface Query<T> {
  readonly script: Script
  read(stdout: Buffer): T
}

/** A query for any number of resources on a host: questions shared with other kinds, its own script, and a parser for both answers. */
export interface KindQuery<State> {
  /** Questions that the host answers once for all kinds. */
  readonly shared?: SharedQueries
  /**
   * POSIX sh, or empty. Runs as root with an empty standard input, `LC_ALL=C` and `set -e`: a command that fails ends the observation of the
   * host. Accept the status by which a program reports absence, and use no pipelines.
   */
  readonly script: Script
  /**
   * Returns the states by identity. It throws, or leaves a resource out, if the answer does not contain its state: both stop the run of this
   * host. Silence never means absent.
   */
  parse(stdout: Buffer, answers: Answers): ReadonlyMap<string, State>
}

/** Merges the questions of all kinds, without repetitions. */
export const mergeQueries = (asks: readonly (SharedQueries | undefined)[]): Required<SharedQueries> => {
  const all = (key: Exclude<keyof SharedQueries, 'sizes'>): readonly string[] => [...new Set(asks.flatMap((one) => one?.[key] ?? []))]
  return {
    sizes: new Map(asks.flatMap((one) => [...(one?.sizes ?? [])])),
    inodes: all('inodes'),
    trees: all('trees'),
    digests: all('digests'),
    texts: all('texts'),
    patterns: all('patterns'),
    guarded: all('guarded'),
    units: all('units'),
  }
}

/** Returns a query for all units, by one `systemctl`. */
export const unitQuery = (asked: readonly string[]): Query<Answers['units']> => {
  // systemctl prints nothing about a template: only its instances are units.
  const units = asked.filter((unit) => !isTemplate(unit))
  return {
    script: sh`${argumentLists(units, UNITS_AT_ONCE).map((some) => sh`systemctl show --timestamp=us+utc -p ${PROPERTIES.join(',')} -- ${some}; echo`)}`,
    read: (stdout) => {
      if (units.length === 0) return new Map()
      // An alias answers under its real name, so blocks and units are paired by their position.
      const blocks = stdout.toString().trim().split(/\n\n+/)
      if (blocks.length !== units.length) throw new Error(`systemctl described ${blocks.length} of ${units.length} units`)
      return new Map(units.map((unit, i) => [unit, properties(blocks[i] ?? '')]))
    },
  }
}

/** Whether this is a template, such as `worker@.service`, and no unit. */
export const isTemplate = (unit: string): boolean => unit.includes('@.')

/** Units in one command line. */
const UNITS_AT_ONCE = 1000

const PROPERTIES = [
  'LoadState',
  'ActiveState',
  'SubState',
  'Result',
  'UnitFileState',
  'SourcePath',
  'WantedBy',
  'Type',
  'RemainAfterExit',
  'NeedDaemonReload',
  'ReloadResult',
  'StateChangeTimestamp',
  'StateChangeTimestampMonotonic',
]

const properties = (block: string): ReadonlyMap<string, string> =>
  new Map(block.split('\n').map((line): [string, string] => [line.split('=', 1)[0] ?? '', line.slice(line.indexOf('=') + 1)]))

/** Returns the inode at a path. Throws if the host did not report it. */
export const inodeAt = ({ inodes }: Answers, path: string): InodeState => {
  const inode = inodes.get(path)
  if (inode === undefined) throw new Error(`the host did not report ${path}`)
  return inode
}

/** The digest of a path that is not a regular file. */
export const NO_FILE = 'no file'

/**
 * Returns the SHA-256 of a path that the query has in `inodes` and `digests`, `ABSENT` for a path that does not exist, or `NO_FILE`.
 * `writeFiles` compares it with the file at that moment.
 */
export const digestAt = (answers: Answers, path: string): string =>
  inodeAt(answers, path) === ABSENT ? ABSENT : (answers.digests.get(path) ?? NO_FILE)

/** Returns the query of a kind whose state is one inode, with the path as identity. */
export const inodeQuery = (paths: readonly string[]): KindQuery<InodeState> => ({
  shared: { inodes: paths },
  script: sh``,
  parse: (_, answers) => new Map(paths.map((path) => [path, inodeAt(answers, path)])),
})
