import type { Kind, PlanContext } from '../kind/kind.ts'
import { parentOf } from '../kind/path.ts'
import { applyParts } from './apply.ts'
import type { PartSpec } from './edits.ts'
import { observeParts, type PartState } from './observe.ts'
import { findingOf } from './plan.ts'
import { diffTexts } from './texts.ts'
import { undoPart } from './undo.ts'

type Members<Spec> = Omit<Kind<unknown, Spec, PartState>, 'schema' | 'name'> & { readonly family: string }

/** The members that all kinds of parts of files share. */
export const partMembers = <Spec extends PartSpec>(name: string, id: (spec: Spec) => string): Members<Spec> => {
  const found = (spec: Spec, state: PartState, context: PlanContext) => findingOf({ key: `${name}:${id(spec)}`, spec }, state, context)
  return {
    id,
    family: 'part',
    observe: (specs) => observeParts(specs.map((spec) => ({ path: spec.path, id: id(spec) }))),
    plan: (spec, state, context) => found(spec, state, context).change,
    forbids: (spec, state, context) => found(spec, state, context).refusal,
    directories: ({ path }) => [parentOf(path)],
    accounts: ({ create, owner, group }) => (create ? { users: [owner], groups: [group] } : {}),
    effects: ({ path }) => [{ path, becomes: { type: 'f' } }],
    contained: true,
    diff: ({ spec, change }) => diffTexts(spec, change),
    apply: applyParts,
    orphan: { undo: undoPart(name) },
    files: ({ path }) => [{ path, sha256: 'disk' }],
  }
}
