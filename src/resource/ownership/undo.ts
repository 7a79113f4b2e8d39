import { ABSENT } from '../kind/inode.ts'
import type { KindQuery, Work } from '../kind/kind.ts'
import type { OrphanPart, Undo } from '../kind/orphan-policy.ts'
import type { Steps } from '../kind/step.ts'
import { applyOrphans } from './apply.ts'
import { keysIn, type OrphanSpec, type OrphanState, placeOf } from './observe.ts'
import { recordPath } from './record.ts'

/** Observes parts of files that no role declares any more, as their kind does. */
export const observeUndo = (name: string, undo: Undo, specs: readonly OrphanSpec[]): KindQuery<OrphanState> => {
  const records = [...new Set(specs.map(({ role }) => recordPath(role)))]
  const query = undo.observe(specs.flatMap((spec) => partOf(name, spec) ?? []))
  return {
    ...query,
    shared: { ...query.shared, texts: [...(query.shared?.texts ?? []), ...records] },
    parse: (stdout, answers) => {
      const states = query.parse(stdout, answers)
      return new Map(
        specs.map((spec): [string, OrphanState] => {
          const id = spec.owned.key.slice(name.length + 1)
          const recorded = keysIn(answers.texts.get(recordPath(spec.role)) ?? []).has(spec.owned.key)
          return [id, { recorded, inode: ABSENT, within: [], part: states.get(id) ?? NOTHING }]
        }),
      )
    },
  }
}

/** The state of a part whose record has no valid path. */
const NOTHING = { file: ABSENT }

const partOf = (name: string, { owned }: OrphanSpec): OrphanPart | undefined => {
  const path = placeOf(owned)
  return path === undefined ? undefined : { id: owned.key.slice(name.length + 1), path }
}

/** Undoes the parts, then drops all of them from the records. */
export function* applyUndo(undo: Undo, work: readonly Work<OrphanSpec, OrphanState>[]): Steps {
  const undone = work.filter(({ change }) => change.action === 'delete')
  if (undone.length > 0)
    yield* undo.apply(undone.map(({ id, spec, state, change }) => ({ id, path: placeOf(spec.owned) ?? '', state: state.part, change })))
  yield* applyOrphans(work.map((one) => ({ ...one, change: { ...one.change, action: 'update' } })))
}
