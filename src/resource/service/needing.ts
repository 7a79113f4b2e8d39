import { sh } from '../../shell/sh.ts'
import type { FileState } from '../file/spec.ts'
import type { Change, Difference, Kind, PlanContext, Work } from '../kind/kind.ts'
import { mergeQueries } from '../kind/queries.ts'
import { HostRefusal } from '../kind/step.ts'
import { isActive } from './observe.ts'
import { isRunning, observeReaders, type Reader, type ReaderState, startReader } from './reader.ts'

/** What a host must have, or the files of a kind have no effect. */
export interface Needs<Spec> {
  /** A noun: `cron daemon`. */
  readonly what: string
  /** One of them is enough. */
  readonly readers: readonly Reader[]
  readonly fix: string
  isNeeded(spec: Spec): boolean
}

/** The state of a file, and of what reads it. */
export interface NeedingState {
  readonly file: FileState
  readonly reader: ReaderState
}

/** The members of a kind of files that do not depend on its state. */
type Stateless<Input, Spec> = Pick<
  Kind<Input, Spec, FileState>,
  'name' | 'schema' | 'id' | 'accounts' | 'directories' | 'effects' | 'contained' | 'orphan' | 'content' | 'files'
>

/** Nothing else is planned. */
const ALONE: PlanContext = { now: new Date(0), packagesPending: false, changes: () => false, members: () => new Map() }

/**
 * Returns a kind of files whose resources are refused at planning if nothing on the host reads them, unless an earlier installation or
 * script of the run may bring it. After it has written the files, the run starts and enables the units that read them.
 */
export const needing = <Input, Spec>(kind: Kind<Input, Spec, FileState>, needs: Needs<Spec>): Kind<Input, Spec, NeedingState> => {
  const { what, readers, fix } = needs
  const same: Stateless<Input, Spec> = kind
  const asFile = ({ id, spec, state, change }: Work<Spec, NeedingState>): Work<Spec, FileState> => ({ id, spec, state: state.file, change })
  /** Whether the file itself differs, and not only its reader. */
  const isWritten = ({ spec, state }: Work<Spec, NeedingState>): boolean => kind.plan(spec, state.file, ALONE) !== undefined

  return {
    ...same,

    observe: (specs) => {
      const [files, reader] = [kind.observe(specs), observeReaders(readers)]
      return {
        shared: mergeQueries([files.shared, reader.shared]),
        script: sh`${files.script}${reader.script}`,
        parse: (stdout, answers) => {
          const found = reader.parse(stdout, answers)
          return new Map([...files.parse(stdout, answers)].map(([id, state]) => [id, { file: state, reader: found }]))
        },
      }
    },

    plan: (spec, { file: state, reader }, context): Change | undefined => {
      const change = kind.plan(spec, state, context)
      const missing = needs.isNeeded(spec) ? differencesOf(what, reader, context) : []
      const [first] = missing
      if (first === undefined) return change
      const certainty = reader === undefined ? 'dependent' : 'exact'
      const reason = reader === undefined ? `no ${what} on the host` : `${first.key} ${first.from}`
      if (change === undefined) return { action: 'update', certainty, reason, differences: missing }
      return { ...change, ...(reader === undefined && { certainty }), differences: [...change.differences, ...missing] }
    },

    forbids: (spec, { file: state, reader }, context) => {
      const refused = needs.isNeeded(spec) ? whyUnread(what, reader, context) : undefined
      if (refused === undefined) return kind.forbids?.(spec, state, context)
      return new HostRefusal(`${kind.name} ${kind.id(spec)} would have no effect`, refused.why, refused.fix ?? fix)
    },

    ...(kind.notices !== undefined && {
      notices: (spec, { file: state }, context) => kind.notices?.(spec, state, context) ?? [],
    }),

    *apply(work) {
      const written = work.filter(isWritten)
      if (written.length > 0) yield* kind.apply(written.map(asFile))
      const [first] = work.filter(({ spec }) => needs.isNeeded(spec))
      if (first !== undefined) yield* startReader(readers, first.state.reader)
    },

    before: (work) => kind.before?.(work.filter(isWritten).map(asFile)) ?? { script: sh``, read: () => new Map() },
    diff: (work, before) => (isWritten(work) ? kind.diff?.(asFile(work), before) : undefined),
  }
}

const differencesOf = (what: string, reader: ReaderState, { changes }: PlanContext): readonly Difference[] =>
  reader === undefined
    ? [{ key: what, from: 'missing', to: 'running' }]
    : [...reader].flatMap(([unit, state]) =>
        isRunning(state) || changes(`service:${unit}`)
          ? []
          : [{ key: unit, from: isActive(state) ? 'not enabled' : 'not running', to: 'running' }],
      )

/** Why the host does not read the files, unless this run changes that. */
const whyUnread = (
  what: string,
  reader: ReaderState,
  { changes, packagesPending, anyPackagesPending, opaquePending }: PlanContext,
): { readonly why: string; readonly fix?: string } | undefined => {
  if (reader === undefined) {
    const mayAppear = packagesPending || anyPackagesPending === true || opaquePending === true
    return mayAppear ? undefined : { why: `the host has no ${what}, and no earlier change of this run installs one` }
  }
  const [masked] = [...reader].find(([unit, { load }]) => load === 'masked' && !changes(`service:${unit}`)) ?? []
  return masked === undefined
    ? undefined
    : { why: `${masked} is masked`, fix: `declare \`service: { unit: ${masked} }\` before it, which unmasks the unit` }
}
