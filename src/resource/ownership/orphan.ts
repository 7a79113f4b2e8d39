import type { Change, Kind, Resource } from '../kind/kind.ts'
import { orphanPolicyOf } from '../kind/orphan-policy.ts'
import { applyOrphans } from './apply.ts'
import { type OrphanSpec, type OrphanState, observeOrphans, placeOf } from './observe.ts'
import { changeOf, type OrphanContext, type OrphanOutcome, outcomeOf } from './plan.ts'
import { applyUndo, observeUndo } from './undo.ts'

type OrphanKind = Kind<never, OrphanSpec, OrphanState>

/**
 * A resource that provision created and no role declares any more. It keeps its kind and identity, so a plan shows it by its name. Its
 * policy decides what happens to it (see `plan.ts`).
 */
export const orphan = (spec: OrphanSpec): Resource => {
  const colon = spec.owned.key.indexOf(':')
  return { kind: kindNamed(spec.owned.key.slice(0, colon)), id: spec.owned.key.slice(colon + 1), spec }
}

/** Whether it is a path that a run would delete if it existed. */
const isPlaced = ({ owned }: OrphanSpec): boolean => {
  const policy = orphanPolicyOf(owned.key)
  return 'undo' in policy || ('delete' in policy && placeOf(owned) !== undefined)
}

export const isOrphan = ({ kind }: Resource): boolean => kinds.get(kind.name) === kind

/** Whether the run deletes this orphan, if its policy and state permit it. */
export const isPruned = ({ spec }: Resource): boolean => (spec as OrphanSpec).prune

/** Returns the outcome of a run for an orphan. */
export const orphanOutcome = ({ spec }: Resource, state: unknown, context: OrphanContext): OrphanOutcome =>
  outcomeOf(spec as OrphanSpec, state as OrphanState, context)

const kinds = new Map<string, OrphanKind>()

const kindNamed = (name: string): OrphanKind => {
  const known = kinds.get(name)
  if (known !== undefined) return known
  const policy = orphanPolicyOf(`${name}:`)
  const made: OrphanKind = {
    name,
    schema: undefined as never,
    id: ({ owned }) => owned.key.slice(name.length + 1),
    observe: (specs) => ('undo' in policy ? observeUndo(name, policy.undo, specs) : observeOrphans(name, specs)),
    plan: (spec, state, context): Change | undefined => {
      if (!state.recorded) return undefined
      const outcome = outcomeOf(spec, state, context)
      // The record follows the host: what does not exist any more is dropped from it by every run.
      return spec.prune || (outcome.is === 'gone' && isPlaced(spec)) ? changeOf(outcome) : undefined
    },
    apply: (work) => ('undo' in policy ? applyUndo(policy.undo, work) : applyOrphans(work)),
    // A file whose part is undone stays.
    files: ({ owned }) => ('undo' in policy ? [] : [placeOf(owned) ?? []]).flat().map((path) => ({ path, sha256: 'absent' })),
  }
  kinds.set(name, made)
  return made
}
