import { commandLine, quote } from '../quote.ts'
import { inodeScript, PATHS_AT_ONCE, readInodes, type SeenInode } from './inode.ts'
import type { Probe } from './kind.ts'
import { chunks } from './records.ts'

/** What several kinds ask of a host in the same words. It is asked once for all of them, so that a kind more costs no process more. */
export interface Asks {
  /** Paths: what lies there, and when that last changed. */
  readonly inodes?: readonly string[]
  /** Paths: the SHA-256 of those that are regular files. */
  readonly digests?: readonly string[]
  /** Paths: the lines of those that are regular files. Small ones of our own. */
  readonly texts?: readonly string[]
  /** systemd units: their properties. */
  readonly units?: readonly string[]
}

/** What the host said to all that was asked. What it was silent about is missing, and silence is never absence. */
export interface Said {
  readonly inodes: ReadonlyMap<string, SeenInode>
  /** When an inode last changed, in microseconds since 1970. */
  readonly changed: ReadonlyMap<string, number>
  readonly digests: ReadonlyMap<string, string>
  readonly texts: ReadonlyMap<string, readonly string[]>
  readonly units: ReadonlyMap<string, ReadonlyMap<string, string>>
}

/** One instrument: what it asks, and how to read the answer. */
export interface Instrument<T> {
  readonly script: string
  read(stdout: Buffer): T
}

/** The asks of all kinds as one: nothing is asked twice. */
export const together = (asks: readonly (Asks | undefined)[]): Required<Asks> => {
  const all = (key: keyof Asks): readonly string[] => [...new Set(asks.flatMap((one) => one?.[key] ?? []))]
  return { inodes: all('inodes'), digests: all('digests'), texts: all('texts'), units: all('units') }
}

/** One `find` for up to a thousand paths. */
export const askInodes = (paths: readonly string[]): Instrument<Pick<Said, 'inodes' | 'changed'>> => ({
  script: chunks(paths, PATHS_AT_ONCE).map(inodeScript).join(''),
  read: (stdout) => {
    const fields = stdout.toString().split('\0')
    const inodes = new Map<string, SeenInode>()
    const changed = new Map<string, number>()
    let i = readInodes(fields, inodes)
    for (; fields[i] === 'changed'; i = readInodes(fields, inodes, i + 3))
      changed.set(fields[i + 1] ?? '', microseconds(fields[i + 2] ?? ''))
    if (i !== fields.length - 1) throw new Error('the host answered half a record')
    return { inodes, changed }
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

/** One `grep` for all files. It puts the path before every line, so that no line passes for another's, and skips what would keep it waiting. */
export const askTexts = (paths: readonly string[]): Instrument<Said['texts']> => ({
  script: paths.length === 0 ? '' : `grep -saHZ -d skip -D skip '' ${paths.map(quote).join(' ')}`,
  read: (stdout) => {
    const texts = new Map<string, string[]>()
    for (const line of stdout.toString().split('\n').slice(0, -1)) {
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
