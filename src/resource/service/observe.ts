import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { undoDirectory } from '../file/undo.ts'
import { ABSENT } from '../kind/inode.ts'
import type { KindQuery, ManagedFile } from '../kind/kind.ts'
import { parentOf } from '../kind/path.ts'
import { type Answers, inodeAt } from '../kind/queries.ts'
import { readStamp, STAMPS, type Stamp } from '../kind/stamp.ts'
import { type Facts, factQueries, loadedFacts, readFacts } from './facts.ts'
import type { ServiceSpec } from './spec.ts'

/** State of a unit in systemd, and what it has loaded. */
export interface ServiceState {
  /** `loaded`, `not-found`, `masked`, … */
  readonly load: string
  readonly active: string
  readonly sub: string
  readonly result: string
  readonly enabled: string
  /** A oneshot that ended is inactive, unless it has `RemainAfterExit=yes`. */
  readonly endsAtOnce?: true
  /** Its unit file or a drop-in changed since systemd read it. */
  readonly needsDaemonReload: boolean
  readonly reloadFailed: boolean
  /** The loaded files; undefined if our stamp is older than its last state change. */
  readonly stamp: Stamp | undefined
  /** Whether a file or its directory changed after the last start, restart or reload of the unit. */
  readonly touched: boolean
  /** Digests of files whose content only the host knows. */
  readonly onDisk: ReadonlyMap<string, string>
  /** What it has loaded beside files, and what is there now; for a service that names such resources. */
  readonly facts?: { readonly loaded: Facts; readonly now: Facts }
  /** Whether its set was replaced and neither accepted nor restored. */
  readonly unfinishedSet: boolean
}

/** The part of a service that its observation needs. */
interface ObservedService extends Pick<ServiceSpec, 'unit' | 'set' | 'facts'> {
  readonly loads: readonly ManagedFile[]
  readonly restarts: readonly ManagedFile[]
}

export const isActive = ({ active }: ServiceState): boolean => active === 'active' || active === 'reloading'

// `static` units cannot be enabled; `indirect` and `alias` units are enabled through another unit.
const ENABLED = new Set(['enabled', 'static', 'alias', 'indirect', 'generated', 'transient'])

export const isEnabled = ({ enabled }: ServiceState): boolean => ENABLED.has(enabled)

/** Observes services by shared queries, and a shell builtin for each set. */
export const observeServices = (specs: readonly ObservedService[]): KindQuery<ServiceState> => {
  const files = distinct(specs.flatMap(filesOf).map(({ path }) => path))
  const others = factQueries(specs.flatMap(({ facts = [] }) => facts))
  const sets = distinct(specs.flatMap(({ set }) => (set === undefined ? [] : [set])))
  return {
    shared: {
      units: specs.map(({ unit }) => unit),
      texts: specs.filter((spec) => filesOf(spec).length > 0 || spec.facts !== undefined).map(({ unit }) => `${STAMPS}/${unit}`),
      digests: distinct(specs.flatMap(hostOnlyPaths)),
      inodes: distinct([
        ...(others.shared.inodes ?? []),
        ...files,
        ...files.map(parentOf).filter((directory) => !SHARED_DIRECTORIES.has(directory)),
      ]),
    },
    script: sh`${[...sets.map((set) => sh`[ ! -d ${undoDirectory(set)} ] || printf '%s\\n' ${set}`), linkedScript(specs.map(({ unit }) => unit))]}
${others.script}`,
    parse: (stdout, answers) => readServices(specs, stdout.toString().split('\n'), answers),
  }
}

/**
 * Prints the units that are linked from elsewhere (`systemctl link`) and have no [Install] section: systemd reports them like units that can
 * be enabled. Builtins only.
 */
const linkedScript = (units: readonly string[]): Script => sh`for unit in ${units}; do
  [ -L "/etc/systemd/system/$unit" ] && [ -f "/etc/systemd/system/$unit" ] || continue
  install= i=0; while [ $i -lt 1000 ] && IFS= read -r line; do i=$((i+1)); case $line in '[Install]'*) install=1 ;; esac; done <"/etc/systemd/system/$unit"
  [ "$install" ] || printf 'not installable %s\\n' "$unit"
done`

// Directories shared by many services; their change time is not evidence of a change for one of them.
export const SHARED_DIRECTORIES: ReadonlySet<string> = new Set([
  '/',
  '/etc',
  '/etc/provision',
  '/etc/ssh/sshd_config.d',
  '/etc/systemd/system',
  '/usr/local/lib/provision',
])

// File times have the resolution of a kernel tick, so an edit may appear this much older (microseconds; HZ=100).
const TICK = 10_000

const filesOf = ({ loads, restarts }: ObservedService) => [...loads, ...restarts]

// Files whose content only the host knows, or that this run creates.
const hostOnlyPaths = (spec: ObservedService): readonly string[] =>
  filesOf(spec).flatMap(({ path, sha256 }) => (sha256 === 'disk' || sha256 === 'later' ? [path] : []))

const readServices = (specs: readonly ObservedService[], lines: readonly string[], answers: Answers): ReadonlyMap<string, ServiceState> =>
  new Map(
    specs.map((spec) => {
      const of = (key: string): string => answers.units.get(spec.unit)?.get(key) ?? ''
      if (of('LoadState') === '') throw new Error(`systemctl reported nothing about ${spec.unit}`)
      const stamp = readStamp(answers.texts.get(`${STAMPS}/${spec.unit}`) ?? [])
      const changed = timeOf(of('StateChangeTimestamp'))
      // A link has a new time only if it is replaced; the time of an inode with declared permissions also changes when it is written.
      const links = (spec.facts ?? []).flatMap(({ is, of: path }) => (is === 'link' ? [path] : []))
      const paths = [...filesOf(spec).flatMap(({ path }) => [path, parentOf(path)]), ...links]
      const state: ServiceState = {
        load: of('LoadState'),
        active: of('ActiveState'),
        sub: of('SubState'),
        result: of('Result'),
        enabled: enablementOf(of, lines.includes(`not installable ${spec.unit}`)),
        needsDaemonReload: of('NeedDaemonReload') === 'yes',
        reloadFailed: of('ReloadResult') !== '' && of('ReloadResult') !== 'success',
        stamp: stamp?.at === of('StateChangeTimestampMonotonic') ? stamp : undefined,
        touched: paths.some((path) => !SHARED_DIRECTORIES.has(path) && (answers.changed.get(path) ?? 0) >= changed - TICK),
        onDisk: new Map(hostOnlyPaths(spec).flatMap((path) => digestOnDisk(answers, path))),
        ...(spec.facts !== undefined && {
          facts: { loaded: loadedFacts(spec.facts, stamp?.facts ?? []), now: readFacts(spec.facts, lines, answers) },
        }),
        unfinishedSet: spec.set !== undefined && lines.includes(spec.set),
      }
      const endsAtOnce = of('Type') === 'oneshot' && of('RemainAfterExit') === 'no'
      return [spec.unit, endsAtOnce ? { ...state, endsAtOnce } : state]
    }),
  )

/**
 * Whether the unit starts at boot, in systemd's words. A SysV service is `generated` in any case; its links in /etc/rc?.d become wants of
 * multi-user.target. A linked unit without [Install] section cannot be enabled, like a static one.
 */
const enablementOf = (of: (key: string) => string, isNotInstallable: boolean): string => {
  const state = of('UnitFileState')
  if (state === 'generated' && of('SourcePath').startsWith('/etc/init.d/'))
    return of('WantedBy').split(' ').includes('multi-user.target') ? 'enabled' : 'disabled'
  return state === 'linked' && isNotInstallable ? 'static' : state
}

const digestOnDisk = (answers: Answers, path: string): readonly (readonly [string, string])[] => {
  const sha256 = inodeAt(answers, path) === ABSENT ? 'absent' : answers.digests.get(path)
  return sha256 === undefined ? [] : [[path, sha256]]
}

/** Converts `Mon 2026-11-23 17:15:03.123456 UTC` to microseconds since 1970; 0 if it is empty. */
const timeOf = (timestamp: string): number => {
  const [, date, time, fraction = '0'] = /(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)\.(\d{6}) UTC$/.exec(timestamp) ?? []
  return date === undefined ? 0 : Date.parse(`${date}T${time}Z`) * 1000 + Number(fraction)
}

const distinct = (words: readonly string[]): readonly string[] => [...new Set(words)]
