import { commandLine, quote, quotePattern } from '../quote.ts'
import { inodeScript, PATHS_AT_ONCE, readInodes, type SeenInode } from './inode.ts'
import type { Probe } from './kind.ts'
import { chunks } from './records.ts'

/** What several kinds ask of a host in the same words. It is asked once for all of them, so that a kind more costs no process more. */
export interface Asks {
  /** Paths: what lies there, and when that last changed. */
  readonly inodes?: readonly string[]
  /** Directories, through a link as well: all that lies in them, however deep. */
  readonly trees?: readonly string[]
  /** Paths: the SHA-256 of those that are regular files. */
  readonly digests?: readonly string[]
  /** Paths: the lines of those that are regular files. Small ones of our own. */
  readonly texts?: readonly string[]
  /** The same for every path that fits a pattern, in which `*` stands for anything but a slash. */
  readonly patterns?: readonly string[]
  /** systemd units: their properties. */
  readonly units?: readonly string[]
}

/** What the host said to all that was asked. What it was silent about is missing, and silence is never absence. */
export interface Said {
  readonly inodes: ReadonlyMap<string, SeenInode>
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
export interface Instrument<T> {
  readonly script: string
  read(stdout: Buffer): T
}

/** The asks of all kinds as one: nothing is asked twice. */
export const together = (asks: readonly (Asks | undefined)[]): Required<Asks> => {
  const all = (key: keyof Asks): readonly string[] => [...new Set(asks.flatMap((one) => one?.[key] ?? []))]
  return {
    inodes: all('inodes'),
    trees: all('trees'),
    digests: all('digests'),
    texts: all('texts'),
    patterns: all('patterns'),
    units: all('units'),
  }
}

/** One `find` for up to a thousand paths and trees. */
export const askInodes = (
  paths: readonly string[],
  trees: readonly string[] = [],
): Instrument<Pick<Said, 'inodes' | 'changed' | 'trees'>> => ({
  script: chunks([...paths, ...trees.map((tree) => `${tree}/.`)], PATHS_AT_ONCE)
    .map(inodeScript)
    .join(''),
  read: (stdout) => {
    const fields = stdout.toString().split('\0')
    const inodes = new Map<string, SeenInode>()
    const changed = new Map<string, number>()
    const found = new Map<string, Map<string, Member>>()
    let within = new Map<string, Member>()
    let i = readInodes(fields, inodes)
    for (;;) {
      const [word, path = '', ...rest] = fields.slice(i, i + 5)
      const [type = '', mode = '', owner = ''] = rest
      if (word === 'changed') {
        changed.set(path, microseconds(type))
        i = readInodes(fields, inodes, i + 3)
        continue
      }
      if (word === 'tree') {
        within = new Map([['', { type, mode, owner }]])
        found.set(path.slice(0, -2), within)
      } else if (word === 'in') within.set(path, { type, mode, owner })
      else break
      i = readInodes(fields, inodes, i + 5)
    }
    if (i !== fields.length - 1) throw new Error('the host answered half a record')
    return { inodes, changed, trees: found }
  },
})

/**
 * One `sha256sum` for up to a thousand paths. What is neither a file nor a directory is not hashed: reading a named pipe would
 * wait for ever.
 */
export const askDigests = (paths: readonly string[]): Instrument<Said['digests']> => ({
  script: chunks(paths, PATHS_AT_ONCE)
    .map(
      (some) => `
set -- ${some.map(quote).join(' ')}; plain=1
for p do [ ! -e "$p" ] || [ -f "$p" ] || [ -d "$p" ] || plain=; done
if [ "$plain" ]; then sha256sum -z -- "$@"; else for p do [ ! -f "$p" ] || sha256sum -z -- "$p"; done; fi
`,
    )
    .join(''),
  read: (stdout) => {
    const lines = stdout.toString().split('\0')
    if (lines.pop() !== '') throw new Error('the host answered half a digest')
    return new Map(
      lines.map((line): [string, string] => {
        const [, sha256, path] = /^([0-9a-f]{64}) [ *](.+)$/s.exec(line) ?? []
        if (sha256 === undefined || path === undefined) throw new Error('the host answered half a digest')
        return [path, sha256]
      }),
    )
  },
})

/**
 * One `grep` for all files. It puts the path before every line, so that no line passes for another's, and skips what would keep it
 * waiting. It ends with 0, 1 or 2 as all, none or some of them are there.
 */
export const askTexts = (paths: readonly string[], patterns: readonly string[]): Instrument<Said['texts']> => ({
  script:
    paths.length + patterns.length === 0
      ? ''
      : `grep -saHZ -d skip -D skip '' ${[...paths.map(quote), ...patterns.map(quotePattern)].join(' ')}; echo end:$?`,
  read: (stdout) => {
    const texts = new Map<string, string[]>()
    const lines = stdout.toString().split('\n').slice(0, -1)
    if (paths.length + patterns.length > 0 && !/^end:[012]$/.test(lines.pop() ?? '')) throw new Error('the host could not read all files')
    for (const line of lines) {
      const end = line.indexOf('\0')
      const path = line.slice(0, end)
      texts.set(path, [...(texts.get(path) ?? []), line.slice(end + 1)])
    }
    return texts
  },
})

/** One `systemctl` for all units. */
export const askUnits = (units: readonly string[]): Instrument<Said['units']> => ({
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

/** `1795454103.1234567890` in whole microseconds. */
const microseconds = (time: string): number => {
  const [, seconds = '0', fraction = '0'] = /^(\d+)\.(\d{6})/.exec(time) ?? []
  return Number(seconds) * 1e6 + Number(fraction)
}

/** What the host said of a path; its silence is an error. */
export const inodeSaid = ({ inodes }: Said, path: string): SeenInode => {
  const inode = inodes.get(path)
  if (inode === undefined) throw new Error(`the host did not speak of ${path}`)
  return inode
}

/** For kinds that are nothing but an inode. */
export const probeInodes = (paths: readonly string[]): Probe<SeenInode> => ({
  asks: { inodes: paths },
  script: '',
  parse: (_, said) => new Map(paths.map((path) => [path, inodeSaid(said, path)])),
})
