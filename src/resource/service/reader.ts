import { sh } from '../../shell/sh.ts'
import { ABSENT } from '../kind/inode.ts'
import type { Change, KindQuery } from '../kind/kind.ts'
import { type Answers, inodeAt, mergeQueries, type SharedQueries } from '../kind/queries.ts'
import { type Answer, HostRefusal, requireSuccess, type Step, type Steps } from '../kind/step.ts'
import { applyServices } from './apply.ts'
import { isActive, isEnabled, observeServices, type ServiceState } from './observe.ts'
import { service } from './service.ts'

/** A program that reads files of a kind, with the units that run it; or a line by which programs read them. */
export type Reader =
  | { readonly program: string; readonly units?: readonly string[] }
  | { readonly line: RegExp; readonly directory: string; readonly units?: undefined }

/** The units of the reader that a host has, and their states. Undefined if it has no reader. */
export type ReaderState = ReadonlyMap<string, ServiceState> | undefined

export const isRunning = (state: ServiceState): boolean => isActive(state) && isEnabled(state)

/** Observes which of the readers a host has, by shared queries. */
export const observeReaders = (
  readers: readonly Reader[],
): Omit<KindQuery<never>, 'parse'> & { parse(stdout: Buffer, answers: Answers): ReaderState } => {
  const units = observeServices(readers.flatMap(({ units: names = [] }) => names).map(asSpec))
  return {
    shared: mergeQueries([units.shared, ...readers.map(questionOf)]),
    script: units.script,
    parse: (stdout, answers) => {
      const states = units.parse(stdout, answers)
      const found = readers
        .filter((reader) => isThere(reader, answers))
        .map((reader) => new Map([...states].filter(([unit]) => reader.units?.includes(unit) === true)))
      // Of two daemons, one can be disabled on purpose.
      return found.find((one) => [...one.values()].every(isRunning)) ?? found[0]
    },
  }
}

const asSpec = (unit: string) => service({ unit }).spec

const questionOf = (reader: Reader): SharedQueries =>
  'line' in reader ? { patterns: [`${reader.directory}/*`] } : { inodes: [reader.program] }

const isThere = (reader: Reader, answers: Answers): boolean =>
  'line' in reader
    ? [...answers.texts].some(([path, lines]) => path.startsWith(`${reader.directory}/`) && lines.some((line) => reader.line.test(line)))
    : inodeAt(answers, reader.program) !== ABSENT

/** Starts and enables the units that did not run. What an installation of this run brought is found out first. */
export function* startReader(readers: readonly Reader[], observed: ReaderState): Steps {
  const reader = observed ?? (yield* installedReader(readers))
  const idle = [...reader].filter(([, state]) => !isRunning(state))
  if (idle.length === 0) return
  try {
    yield* applyServices(idle.map(([id, state]) => ({ id, spec: asSpec(id), state, change: STARTING })))
  } catch (error) {
    if (!(error instanceof HostRefusal)) throw error
    // The units are no resources.
    throw new HostRefusal(error.what, error.why, error.fix)
  }
}

const STARTING: Change = { action: 'update', certainty: 'exact', reason: 'not running', differences: [] }

/** A unit that the observation did not have. */
const NEW: ServiceState = {
  ...{ load: 'not-found', active: 'inactive', sub: 'dead', result: 'success', enabled: '', needsDaemonReload: false, reloadFailed: false },
  ...{ stamp: undefined, touched: false, onDisk: new Map(), unfinishedSet: false },
}

/** The units of the first reader that is there now. None is an answer too: the proof of the run reports it. */
function* installedReader(readers: readonly Reader[]): Generator<Step, ReadonlyMap<string, ServiceState>, Answer> {
  const programs = readers.flatMap((reader) => ('program' in reader ? [reader.program] : []))
  if (programs.length === 0) return new Map()
  const script = sh`for program in ${programs}; do [ ! -e "$program" ] || { printf '%s\\n' "$program"; break; }; done`
  const found = requireSuccess(yield { do: 'shell', script }, 'the installed programs are not known')
    .stdout.toString()
    .trim()
  const reader = readers.find((one) => 'program' in one && one.program === found)
  return new Map((reader?.units ?? []).map((unit) => [unit, NEW]))
}
