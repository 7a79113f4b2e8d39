import { commandLine } from '../../shell/quote.ts'
import type { ShellText } from '../../shell/script.ts'
import { ABSENT, type InodeState } from './inode.ts'

/** What several kinds ask of a host in the same words. It is asked once for all of them, so that a kind more costs no process more. */
export interface SharedQueries {
  /** Paths: what lies there, and when that last changed. */
  readonly inodes?: readonly string[]
  /** Directories of ours, or links of ours to one beside them (`current` → `releases/NAME`): what root has in them, however deep. */
  readonly trees?: readonly string[]
  /** Paths: the SHA-256 of those that are regular files. */
  readonly digests?: readonly string[]
  /** Bytes that are expected at paths of `digests`, where that is more than a megabyte: more is never read of what another account made. */
  readonly sizes?: ReadonlyMap<string, number>
  /** Paths: the lines of those that are regular files. Small ones of our own. */
  readonly texts?: readonly string[]
  /** The same for every path that fits a pattern, in which `*` stands for anything but a slash. */
  readonly patterns?: readonly string[]
  /** Of `inodes`: paths that are only worked with where root alone can replace them. Others count as not reached. */
  readonly guarded?: readonly string[]
  /** systemd units: their properties. */
  readonly units?: readonly string[]
}

/** What the host said to all that was asked. What it was silent about is missing, and silence is never absence. */
export interface Answers {
  readonly inodes: ReadonlyMap<string, InodeState>
  /** By directory, by path within it (the directory itself is the empty path); one that is not there is missing. */
  readonly trees: ReadonlyMap<string, ReadonlyMap<string, Member>>
  /** When an inode last changed, in microseconds since 1970. */
  readonly changed: ReadonlyMap<string, number>
  readonly digests: ReadonlyMap<string, string>
  readonly texts: ReadonlyMap<string, readonly string[]>
  readonly units: ReadonlyMap<string, ReadonlyMap<string, string>>
}

/** What lies in a tree: its type as `find` names it, its mode, its owner and group by number (`0:0`). */
export interface Member {
  readonly type: string
  readonly mode: string
  readonly owner: string
}

/** One instrument: what it asks, and how to read the answer. */
export interface Query<T> {
  readonly script: ShellText
  read(stdout: Buffer): T
}

/** A question to a host about any number of resources: what is asked together with others, a shell fragment of its own, and how to read both. */
export interface KindQuery<Seen> {
  /** What is asked together with what other kinds ask. */
  readonly shared?: SharedQueries
  /** POSIX sh; runs as root with an empty standard input, in `LC_ALL=C`. Its stderr is ignored. */
  readonly script: ShellText
  /** By identity. A resource that the host did not speak of is missing from the map: an error, never "absent". */
  parse(stdout: Buffer, said: Answers): ReadonlyMap<string, Seen>
}

/** The asks of all kinds as one: nothing is asked twice. */
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

/** One `systemctl` for all units. */
export const unitQuery = (units: readonly string[]): Query<Answers['units']> => ({
  script: units.length === 0 ? '' : `systemctl show --timestamp=us+utc -p ${PROPERTIES.join(',')} -- ${commandLine(...units)}`,
  read: (stdout) => {
    if (units.length === 0) return new Map()
    // An alias answers under its real name, so blocks and units are paired by their position.
    const blocks = stdout.toString().trim().split(/\n\n+/)
    if (blocks.length !== units.length) throw new Error(`systemctl spoke of ${blocks.length} of ${units.length} units`)
    return new Map(units.map((unit, i) => [unit, properties(blocks[i] ?? '')]))
  },
})

const PROPERTIES = [
  'LoadState',
  'ActiveState',
  'SubState',
  'Result',
  'UnitFileState',
  'NeedDaemonReload',
  'ReloadResult',
  'StateChangeTimestamp',
  'StateChangeTimestampMonotonic',
]

const properties = (block: string): ReadonlyMap<string, string> =>
  new Map(block.split('\n').map((line): [string, string] => [line.split('=', 1)[0] ?? '', line.slice(line.indexOf('=') + 1)]))

/** What the host said of a path; its silence is an error. */
export const inodeAt = ({ inodes }: Answers, path: string): InodeState => {
  const inode = inodes.get(path)
  if (inode === undefined) throw new Error(`the host did not speak of ${path}`)
  return inode
}

/** Stands for the digest of something that is no regular file. */
export const NO_FILE = 'no file'

/**
 * Returns the SHA-256 of a path that the query has in `inodes` and `digests`, `ABSENT` for a path where nothing is, or `NO_FILE`.
 * `writeFiles` compares it with what is there at that moment.
 */
export const digestAt = (answers: Answers, path: string): string =>
  inodeAt(answers, path) === ABSENT ? ABSENT : (answers.digests.get(path) ?? NO_FILE)

/** For kinds that are nothing but an inode. */
export const inodeQuery = (paths: readonly string[]): KindQuery<InodeState> => ({
  shared: { inodes: paths },
  script: '',
  parse: (_, said) => new Map(paths.map((path) => [path, inodeAt(said, path)])),
})
