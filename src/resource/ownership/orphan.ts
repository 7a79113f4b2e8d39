import type { Change, Kind, PlanContext, Resource } from '../kind/kind.ts'
import { applyLeftovers } from './apply.ts'
import { type OrphanSpec, type OrphanState, placeOf, probeLeftovers } from './observe.ts'
import { type Fate, fateOf, verdictOf } from './policy.ts'

type LeftoverKind = Kind<never, OrphanSpec, OrphanState>

/**
 * Something that we own on a host and no role declares any more. It has the kind and the identity that it had when it was declared,
 * so that a plan calls it by its name; what can be done about it depends on what it is (see `leftover-fate`).
 */
export const orphan = (spec: OrphanSpec): Resource => {
  const colon = spec.thing.key.indexOf(':')
  return { kind: kindNamed(spec.thing.key.slice(0, colon)), id: spec.thing.key.slice(colon + 1), spec }
}

export const isOrphan = ({ kind }: Resource): boolean => kinds.get(kind.name) === kind

/** What would be done about a left-over thing. */
export const fateOfOrphan = ({ spec }: Resource, state: unknown, context: Pick<PlanContext, 'deleted'>): Fate =>
  fateOf(spec as OrphanSpec, state as OrphanState, context)

const kinds = new Map<string, LeftoverKind>()

const kindNamed = (name: string): LeftoverKind => {
  const known = kinds.get(name)
  if (known !== undefined) return known
  const made: LeftoverKind = {
    name,
    schema: undefined as never,
    id: ({ thing }) => thing.key.slice(name.length + 1),
    observe: (specs) => probeLeftovers(name, specs),
    plan: (spec, state, context): Change | undefined => {
      if (!spec.prune || !state.recorded) return undefined
      return verdictOf(fateOf(spec, state, context))
    },
    apply: applyLeftovers,
    files: ({ thing }) => [placeOf(thing) ?? []].flat().map((path) => ({ path, sha256: 'absent' })),
  }
  kinds.set(name, made)
  return made
}
