import { Problem } from '../../problem.ts'
import type { Run } from '../run-state.ts'
import { differingFields } from './digest.ts'
import type { PlannedChange, Rollout } from './plan.ts'
import { type Resumption, resumptionOf } from './resumption.ts'
import { rolloutsOf } from './rollouts.ts'
import { type SavedChange, type SavedPlan, savedOf } from './saved.ts'

/**
 * Returns the reasons why a saved plan is stale; empty if it can be applied. The plan is made again from the site and the present observations. Every change
 * must be the same, from the same state, in the same order and rollout. Hosts that are still selected and do not answer are left out. A
 * plan that was applied in part is resumed (see `resumptionOf`).
 */
export const stalenessOf = (saved: SavedPlan, run: Run): readonly Problem[] => {
  const { targets } = run.prepared
  const isLeftOut = ({ host }: { readonly host: string }): boolean => saved.hosts.includes(host) && !run.hosts.has(host)
  const resumption = resumptionOf(saved, run)
  const before = new Map(
    saved.changes.filter((change) => !isLeftOut(change) && !resumption.isApplied(change)).map((change) => [nameOf(change), change]),
  )
  const after = new Map(run.plan.changes.map((change) => [nameOf(change), change]))
  const problems = [
    ...saved.hosts.filter((host) => !targets.includes(host)).map(unselected),
    ...[...before.values()].flatMap((change) => {
      const now = after.get(nameOf(change))
      return now === undefined ? [unneeded(change)] : different({ saved: change, now, remade: savedOf(now, run, saved.salt) }, resumption)
    }),
    ...[...after.values()].filter((change) => !before.has(nameOf(change))).map(unplanned),
  ]
  if (problems.length > 0) return problems
  if ([...before.keys()].join('\n') !== [...after.keys()].join('\n')) return [stalePlan('order of changes differs from the present plan')]
  // Includes the hosts that do not answer at present.
  const now = rolloutsOf(run.prepared, saved.changes)
  const plays = new Set(saved.changes.map(({ play }) => play))
  return [...plays].flatMap((play) => differentRollout(rolloutOf(saved.manners, play), rolloutOf(now, play)))
}

const rolloutOf = (rollouts: readonly Rollout[], play: number): Rollout => rollouts.find((one) => one.play === play) ?? { ...AT_ONCE, play }

const AT_ONCE = { serial: [], at: [], maxFailures: 0 }

const differentRollout = (saved: Rollout, now: Rollout): readonly Problem[] => {
  const [before, after] = [partsOf(saved), partsOf(now)]
  const different = Object.keys(before).filter((key) => before[key] !== after[key])
  if (different.length === 0) return []
  const why = different.map((key) => `${key}: ${before[key]} → ${after[key]}`).join('; ')
  return [stalePlan('rollout differs from the present plan', why)]
}

const partsOf = ({ serial, at, maxFailures }: Rollout): Readonly<Record<string, string>> => ({
  serial: serial.join(', ') || 'all at once',
  max_failures: String(maxFailures),
  'taken out of service at': at.toSorted().join(', ') || 'no host',
})

const nameOf = ({ host, resource }: Pick<PlannedChange, 'host' | 'resource'>): string => `${host} ${resource}`

interface Compared {
  readonly saved: SavedChange
  readonly now: PlannedChange
  readonly remade: SavedChange
}

const different = ({ saved, now, remade }: Compared, resumption: Resumption): readonly Problem[] => {
  const isExplained = resumption.isExplained(saved, remade)
  const state = differingFields(saved.seen ?? {}, remade.seen ?? {})
  if (state.length > 0 && !isExplained) return [stale(now, 'state has changed since the plan was saved', listFields(state))]
  const desired = differingFields(saved.wanted ?? {}, remade.wanted ?? {})
  if (desired.length > 0 && !resumption.isWanted(saved))
    return [stale(now, 'desired state has changed since the plan was saved', listFields(desired))]
  const fields = (isExplained ? (['role', 'play'] as const) : (['action', 'certainty', 'role', 'play'] as const)).filter(
    (key) => saved[key] !== remade[key],
  )
  return fields.length === 0
    ? []
    : [stale(now, 'change differs from the saved plan', fields.map((key) => `${key}: ${saved[key]} → ${remade[key]}`).join(', '))]
}

const FIELD_NAMES: Readonly<Record<string, string>> = { sha256: 'content' }

const listFields = (fields: readonly string[]): string => `these differ: ${fields.map((field) => FIELD_NAMES[field] ?? field).join(', ')}`

const unneeded = (change: SavedChange): Problem => stale(change, `change (${change.action}) is in the saved plan and is no longer needed`)

const unplanned = (change: PlannedChange): Problem =>
  stale(change, `change (${change.action}) is needed now and is not in the saved plan`, change.reason)

const unselected = (host: string): Problem =>
  new Problem({
    class: 'input',
    where: { host },
    what: 'host is in the saved plan and is no longer selected',
    why: 'it was removed from the inventory, a group or the play, or the limit of the plan no longer matches it',
    fix: FIX,
  })

const stalePlan = (what: string, why?: string): Problem =>
  new Problem({ class: 'input', where: { command: 'saved plan' }, what, ...(why !== undefined && { why }), fix: FIX })

const FIX = 'review and save a new plan: provision run --dry-run --save FILE (nothing was changed)'

// An input error: nothing was changed, and the plan is at fault.
const stale = ({ host, role, resource }: Pick<PlannedChange, 'host' | 'role' | 'resource'>, what: string, why?: string): Problem =>
  new Problem({
    class: 'input',
    where: { host, role: `role ${role}`, resource },
    what,
    ...(why !== undefined && { why }),
    fix: FIX,
  })
