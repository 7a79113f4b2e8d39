import type { PlannedChange } from '../../engine/plan/plan.ts'

/** Changes that are shown together: one change, or new resources of one kind. */
export type Entry = readonly [PlannedChange, ...PlannedChange[]]

// More lines than this are more than a screen.
const SHORT_PLAN = 40

/** Whether a plan with this number of entries is so long that new resources of one kind share a line. */
export const isLong = (entries: number): boolean => entries > SHORT_PLAN

/** Returns one entry per change, but one for all new resources of a kind. Each entry is at the place of its first change. */
export const folded = (changes: readonly PlannedChange[]): readonly Entry[] =>
  [...Map.groupBy(changes, (change) => foldKey(change) ?? change).values()].flatMap(([first, ...more]) =>
    first === undefined ? [] : [[first, ...more] as const],
  )

const foldKey = ({ action, resource, bookkeeping, certainty }: PlannedChange): string | undefined => {
  if (bookkeeping === true) return `record ${action}`
  return action === 'create' && certainty !== 'opaque' ? resource.slice(0, resource.indexOf(':')) : undefined
}
