import { quote } from '../../shell/quote.ts'
import { undoDirectory } from '../file/undo.ts'
import { ABSENT } from '../kind/inode.ts'
import type { KindQuery } from '../kind/kind.ts'
import { parentOf } from '../kind/path.ts'
import { type Answers, inodeAt } from '../kind/queries.ts'
import { readStamp, STAMPS, type Stamp } from '../kind/stamp.ts'
import type { ServiceSpec } from './spec.ts'

/** A unit as systemd has it, and what it has loaded. */
export interface ServiceState {
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
  readonly unfinishedSet: boolean
}

/** Nothing of its own but a builtin for each set: units, stamps, digests and times are asked together with other kinds. */
export const observeServices = (specs: readonly ServiceSpec[]): KindQuery<ServiceState> => {
  const files = distinct(specs.flatMap(filesOf).map(({ path }) => path))
  const sets = distinct(specs.flatMap(({ set }) => (set === undefined ? [] : [set])))
  return {
    shared: {
      units: specs.map(({ unit }) => unit),
      texts: specs.filter((spec) => filesOf(spec).length > 0).map(({ unit }) => `${STAMPS}/${unit}`),
      digests: distinct(specs.flatMap(hostOnlyPaths)),
      inodes: distinct([...files, ...files.map(parentOf).filter((directory) => !SHARED_DIRECTORIES.has(directory))]),
    },
    script: `${sets.map((set) => `[ ! -d ${undoDirectory(set)} ] || printf '%s\\n' ${quote(set)}\n`).join('')}:`,
    parse: (stdout, answers) => readServices(specs, stdout.toString().split('\n'), answers),
  }
}

// Directories in which so much else comes and goes that their time says nothing about one service.
export const SHARED_DIRECTORIES: ReadonlySet<string> = new Set([
  '/',
  '/etc',
  '/etc/ssh/sshd_config.d',
  '/etc/systemd/system',
  '/usr/local/lib/provision',
])

// The kernel stamps files with the time of its last tick, so an edit can seem up to this much older than it is (microseconds; HZ=100).
const TICK = 10_000

const filesOf = ({ loads, restarts }: ServiceSpec) => [...loads, ...restarts]

// Files whose content only the host knows, or this run will make.
const hostOnlyPaths = (spec: ServiceSpec): readonly string[] =>
  filesOf(spec).flatMap(({ path, sha256 }) => (sha256 === 'disk' || sha256 === 'later' ? [path] : []))

const readServices = (
  specs: readonly ServiceSpec[],
  unfinishedSet: readonly string[],
  answers: Answers,
): ReadonlyMap<string, ServiceState> =>
  new Map(
    specs.map((spec) => {
      const of = (key: string): string => answers.units.get(spec.unit)?.get(key) ?? ''
      if (of('LoadState') === '') throw new Error(`systemctl said nothing about ${spec.unit}`)
      const stamp = readStamp(answers.texts.get(`${STAMPS}/${spec.unit}`) ?? [])
      const changed = timeOf(of('StateChangeTimestamp'))
      const paths = filesOf(spec).flatMap(({ path }) => [path, parentOf(path)])
      const state: ServiceState = {
        load: of('LoadState'),
        active: of('ActiveState'),
        sub: of('SubState'),
        result: of('Result'),
        enabled: of('UnitFileState'),
        needsDaemonReload: of('NeedDaemonReload') === 'yes',
        reloadFailed: of('ReloadResult') !== '' && of('ReloadResult') !== 'success',
        stamp: stamp?.at === of('StateChangeTimestampMonotonic') ? stamp : undefined,
        touched: paths.some((path) => !SHARED_DIRECTORIES.has(path) && (answers.changed.get(path) ?? 0) >= changed - TICK),
        onDisk: new Map(hostOnlyPaths(spec).flatMap((path) => digestOnDisk(answers, path))),
        unfinishedSet: spec.set !== undefined && unfinishedSet.includes(spec.set),
      }
      return [spec.unit, state]
    }),
  )

const digestOnDisk = (answers: Answers, path: string): readonly (readonly [string, string])[] => {
  const sha256 = inodeAt(answers, path) === ABSENT ? 'absent' : answers.digests.get(path)
  return sha256 === undefined ? [] : [[path, sha256]]
}

/** `Mon 2026-11-23 17:15:03.123456 UTC` in microseconds since 1970; 0 where there is none. */
const timeOf = (timestamp: string): number => {
  const [, date, time, fraction = '0'] = /(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)\.(\d{6}) UTC$/.exec(timestamp) ?? []
  return date === undefined ? 0 : Date.parse(`${date}T${time}Z`) * 1000 + Number(fraction)
}

const distinct = (words: readonly string[]): readonly string[] => [...new Set(words)]
