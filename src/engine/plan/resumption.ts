import { withKey } from '../by-key.ts'
import type { Run } from '../run-state.ts'
import { differingFields } from './digest.ts'
import { CONTROLLER } from './plan.ts'
import type { PendingChange } from './plan-host.ts'
import { isWanted, type SavedChange, type SavedPlan } from './saved.ts'

/** The part of a saved plan that an earlier run of the plan applied before it was interrupted or a change failed. */
export interface Resumption {
  /** Whether the effect of the change is there. */
  isApplied(change: SavedChange): boolean
  /** Whether the earlier run explains that this change starts from another state than the saved one. */
  isExplained(saved: SavedChange, now: SavedChange): boolean
  /** Whether the desired state is that of the saved plan. Values that the earlier run made count as equal. */
  isWanted(saved: SavedChange): boolean
}

/**
 * Finds out how much of a saved plan was applied. A change counts as applied if its resource is now as the plan wanted it. A plan that was
 * applied completely is not resumed. On a host with applied changes, a later change may start from another state if the plan could not
 * know its state (not `exact`), if it shows the same change, if it completes a change that was written and has no effect yet, or if it may
 * have been interrupted itself: then it is the next one of its host, and not a file, which is replaced atomically.
 */
export const resumptionOf = (saved: SavedPlan, { plan, hosts }: Pick<Run, 'plan' | 'hosts'>): Resumption => {
  const planned = new Set(plan.changes.map(nameOf))
  const isRemaining = (change: SavedChange): boolean => planned.has(nameOf(change))
  const isDone = (change: SavedChange): boolean => {
    const { host, resource } = change
    if (isRemaining(change)) return false
    if (host === CONTROLLER) return true
    const declared = withKey(hosts.get(host)?.resources ?? [], resource)
    if (declared !== undefined) return isWanted(change, declared.resource.spec, saved.salt)
    // An orphan that was deleted is not recorded any more.
    return hosts.has(host) && saved.scope.prune
  }
  const applied = saved.changes.some(isRemaining) ? saved.changes.filter(isDone) : []
  const resumed = new Set(applied.map(({ host }) => host))
  const done = new Set(applied.map(nameOf))
  const pendingOf = ({ host, resource }: SavedChange): PendingChange | undefined => withKey(hosts.get(host)?.pending ?? [], resource)
  // A record is corrected after a failed run.
  const isBookkeeping = (change: SavedChange): boolean => pendingOf(change)?.resource.kind.bookkeeping === true
  const isNext = (change: SavedChange): boolean => {
    const remaining = saved.changes.filter((one) => one.host === change.host && isRemaining(one) && !isBookkeeping(one))
    const end = remaining.findIndex((one) => batchOf(one) !== batchOf(remaining[0]))
    return remaining.slice(0, end < 0 ? undefined : end).some((one) => one.resource === change.resource)
  }
  return {
    isApplied: (change) => done.has(nameOf(change)),
    isExplained: (change, now) => {
      const pending = pendingOf(change)
      if (pending === undefined || !resumed.has(change.host)) return false
      if (isBookkeeping(change)) return true
      const { kind, spec } = pending.resource
      const isFile = (kind.files?.(spec) ?? []).length > 0
      const looksSame = change.action === now.action && differingFields(change.shown ?? {}, now.shown ?? {}).length === 0
      return change.certainty !== 'exact' || looksSame || pending.change.unfinished === true || (!isFile && isNext(change))
    },
    isWanted: (change) => {
      const pending = pendingOf(change)
      return applied.length > 0 && pending !== undefined && isWanted(change, pending.resource.spec, saved.salt)
    },
  }
}

const nameOf = ({ host, resource }: Pick<SavedChange, 'host' | 'resource'>): string => `${host} ${resource}`

/** The kind and role of a change: adjacent changes with the same are applied together. */
const batchOf = (change: SavedChange | undefined): string => `${change?.role} ${change?.resource.split(':', 1)[0]}`
