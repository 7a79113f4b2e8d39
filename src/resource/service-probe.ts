import { commandLine, quote } from '../quote.ts'
import type { Probe } from './kind.ts'
import { parentOf } from './path.ts'
import type { ServiceSpec } from './service.ts'
import { readStamps, readSums, STAMPS, type Stamp } from './stamp.ts'
import { undoDirectory } from './undo.ts'

/** A unit as systemd has it, and what it has loaded. */
export interface SeenService {
  /** `loaded`, `not-found`, `masked`, … */
  readonly load: string
  readonly active: string
  readonly sub: string
  readonly result: string
  readonly enabled: string
  /** Its unit file or a drop-in changed and systemd has not read it yet. */
  readonly needsDaemonReload: boolean
  readonly reloadFailed: boolean
  /** What it has loaded, where our own stamp is still true. */
  readonly stamp: Stamp | undefined
  /** Whether some file, or a directory of one, changed after the unit's last start, restart or reload. */
  readonly touched: boolean
  /** Digests of those files that only the host knows. */
  readonly onDisk: ReadonlyMap<string, string>
  /** A set that was replaced and neither taken nor put back. */
  readonly undone: boolean
}

/** One systemctl for all units, one grep for their stamps, one stat for their files; one sha256sum if the host made some itself. */
export const probeServices = (specs: readonly ServiceSpec[]): Probe<SeenService> => {
  const units = specs.map(({ unit }) => unit)
  const files = distinct(specs.flatMap(filesOf).map(({ path }) => path))
  const unknown = distinct(specs.flatMap(filesOf).flatMap(({ path, sha256 }) => (sha256 === 'disk' || sha256 === 'later' ? [path] : [])))
  const watched = distinct([...files, ...files.map(parentOf).filter((directory) => !SHARED.has(directory))])
  const sets = distinct(specs.flatMap(({ set }) => (set === undefined ? [] : [set])))
  const stamps = specs.filter((spec) => filesOf(spec).length > 0).map(({ unit }) => `${STAMPS}/${unit}`)
  return {
    script: `
systemctl show --timestamp=us+utc -p ${PROPERTIES.join(',')} -- ${commandLine(...units)}; printf '\\0'
${stamps.length === 0 ? '' : `grep -asH '' ${commandLine(...stamps)}`}; printf '\\0'
${unknown.length === 0 ? '' : `set -- ${commandLine(...unknown)}; for p do [ -e "$p" ] || printf 'absent %s\\n' "$p"; done; sha256sum -- "$@"`}; printf '\\0'
${watched.length === 0 ? '' : `stat -c '%.6Z %n' -- ${commandLine(...watched)}`}; printf '\\0'
${sets.map((set) => `[ ! -d ${undoDirectory(set)} ] || printf '%s\\n' ${quote(set)}\n`).join('')}printf '\\0'
`.replaceAll('\n;', '\n'),
    parse: (stdout) => readServices(specs, stdout.toString().split('\0')),
  }
}

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

// Directories in which so much else comes and goes that their time says nothing about one service.
const SHARED = new Set(['/', '/etc', '/etc/systemd/system'])

// The kernel stamps files with the time of its last tick, so an edit can seem up to this much older than it is (microseconds; HZ=100).
const TICK = 10_000

const filesOf = ({ loads, restarts }: ServiceSpec) => [...loads, ...restarts]

const readServices = (specs: readonly ServiceSpec[], sections: readonly string[]): ReadonlyMap<string, SeenService> => {
  const [shown = '', stamped = '', summed = '', touched = '', sets = ''] = sections
  // An alias answers under its real name, so blocks and units are paired by their position.
  const blocks = shown.trim().split(/\n\n+/)
  if (sections.length !== 6 || blocks.length !== specs.length)
    throw new Error(`systemctl spoke of ${blocks.length} of ${specs.length} units`)
  const stamps = readStamps(
    stamped.split('\n'),
    specs.map(({ unit }) => unit),
  )
  const sums = readSums(summed.split('\n'))
  const times = new Map(touched.split('\n').map((line): [string, number] => [line.slice(line.indexOf(' ') + 1), microseconds(line)]))
  return new Map(
    specs.map((spec, i) => {
      const properties = new Map(
        (blocks[i] ?? '').split('\n').map((line): [string, string] => [line.split('=', 1)[0] ?? '', line.slice(line.indexOf('=') + 1)]),
      )
      const of = (key: string): string => properties.get(key) ?? ''
      if (of('LoadState') === '') throw new Error(`systemctl said nothing about ${spec.unit}`)
      const stamp = stamps.get(spec.unit)
      const changed = timeOf(of('StateChangeTimestamp'))
      const paths = filesOf(spec).flatMap(({ path }) => [path, parentOf(path)])
      const seen: SeenService = {
        load: of('LoadState'),
        active: of('ActiveState'),
        sub: of('SubState'),
        result: of('Result'),
        enabled: of('UnitFileState'),
        needsDaemonReload: of('NeedDaemonReload') === 'yes',
        reloadFailed: of('ReloadResult') !== '' && of('ReloadResult') !== 'success',
        stamp: stamp?.at === of('StateChangeTimestampMonotonic') ? stamp : undefined,
        touched: paths.some((path) => (times.get(path) ?? 0) >= changed - TICK),
        onDisk: sums,
        undone: spec.set !== undefined && sets.split('\n').includes(spec.set),
      }
      return [spec.unit, seen]
    }),
  )
}

/** `1795454103.123456 …` in microseconds since 1970. */
const microseconds = (line: string): number => {
  const [, seconds = '0', fraction = '0'] = /^(\d+)\.(\d{6}) /.exec(line) ?? []
  return Number(seconds) * 1e6 + Number(fraction)
}

/** `Mon 2026-11-23 17:15:03.123456 UTC` in microseconds since 1970; 0 where there is none. */
const timeOf = (timestamp: string): number => {
  const [, date, time, fraction = '0'] = /(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)\.(\d{6}) UTC$/.exec(timestamp) ?? []
  return date === undefined ? 0 : Date.parse(`${date}T${time}Z`) * 1000 + Number(fraction)
}

const distinct = (words: readonly string[]): readonly string[] => [...new Set(words)]
