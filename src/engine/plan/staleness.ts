import { Problem } from '../../problem.ts'
import type { Run } from '../run-state.ts'
import { differingFields } from './digest.ts'
import type { PlannedChange, Rollout } from './plan.ts'
import { rolloutsOf } from './rollouts.ts'
import { type SavedChange, type SavedPlan, savedOf } from './saved.ts'

/**
 * What keeps a saved plan from being carried out: it is made again from the site and from what the hosts say now, and every change of
 * it must still be the same, made from the same state, in the same order and manner. Empty where it holds. Hosts that are still meant and
 * do not answer now are left out.
 */
export const stalenessOf = (saved: SavedPlan, run: Run): readonly Problem[] => {
  const { targets } = run.prepared
  const isLeftOut = ({ host }: { readonly host: string }): boolean => saved.hosts.includes(host) && !run.hosts.has(host)
  const before = new Map(saved.changes.filter((change) => !isLeftOut(change)).map((change) => [nameOf(change), change]))
  const after = new Map(run.plan.changes.map((change) => [nameOf(change), change]))
  const problems = [
    ...saved.hosts.filter((host) => !targets.includes(host)).map(left),
    ...[...before.values()].flatMap((change) => {
      const now = after.get(nameOf(change))
      return now === undefined ? [gone(change)] : different(change, now, savedOf(now, run, saved.salt))
    }),
    ...[...after.values()].filter((change) => !before.has(nameOf(change))).map(unplanned),
  ]
  if (problems.length > 0) return problems
  if ([...before.keys()].join('\n') !== [...after.keys()].join('\n')) return [ofAll('the same changes would be made in another order now')]
  // Of all that was run, whether or not it answers now.
  const now = rolloutsOf(run.prepared, saved.changes)
  const plays = new Set(saved.changes.map(({ play }) => play))
  return [...plays].flatMap((play) => otherManner(mannerOf(saved.manners, play), mannerOf(now, play)))
}

const mannerOf = (manners: readonly Rollout[], play: number): Rollout => manners.find((one) => one.play === play) ?? { ...AT_ONCE, play }

const AT_ONCE = { serial: [], at: [], maxFailures: 0 }

const otherManner = (saved: Rollout, now: Rollout): readonly Problem[] => {
  const [before, after] = [partsOf(saved), partsOf(now)]
  const different = Object.keys(before).filter((key) => before[key] !== after[key])
  if (different.length === 0) return []
  const why = different.map((key) => `${key}: ${before[key]} → ${after[key]}`).join('; ')
  return [ofAll('the same changes would be made in another manner now', why)]
}

const partsOf = ({ serial, at, maxFailures }: Rollout): Readonly<Record<string, string>> => ({
  serial: serial.join(', ') || 'all at once',
  max_failures: String(maxFailures),
  'taken out on': at.toSorted().join(', ') || 'no host',
})

const nameOf = ({ host, resource }: Pick<PlannedChange, 'host' | 'resource'>): string => `${host} ${resource}`

const different = (saved: SavedChange, now: PlannedChange, remade: SavedChange): readonly Problem[] => {
  const state = differingFields(saved.seen ?? {}, remade.seen ?? {})
  if (state.length > 0) return [stale(now, 'is no longer as it was when the plan was saved', inWords(state))]
  const wish = differingFields(saved.wanted ?? {}, remade.wanted ?? {})
  if (wish.length > 0) return [stale(now, 'shall be something else than when the plan was saved', inWords(wish))]
  const manner = (['action', 'certainty', 'role', 'play'] as const).filter((key) => saved[key] !== remade[key])
  return manner.length === 0
    ? []
    : [
        stale(
          now,
          'would be changed in another way than was planned',
          manner.map((key) => `${key}: ${saved[key]} → ${remade[key]}`).join(', '),
        ),
      ]
}

const WORDS: Readonly<Record<string, string>> = { sha256: 'content' }

const inWords = (fields: readonly string[]): string => `different: ${fields.map((field) => WORDS[field] ?? field).join(', ')}`

const gone = (change: SavedChange): Problem => stale(change, `is in the plan (${change.action}), and there is nothing to change any more`)

const unplanned = (change: PlannedChange): Problem =>
  stale(change, `would be changed now (${change.action}), and is not in the plan`, change.reason)

const left = (host: string): Problem =>
  new Problem({
    class: 'input',
    where: { host },
    what: 'is in the plan, and no longer in the site',
    why: 'it was taken out of the inventory, of a group or of the play, or is no longer within the limit of the plan',
    fix: FIX,
  })

const ofAll = (what: string, why?: string): Problem =>
  new Problem({ class: 'input', where: { command: 'the saved plan' }, what, ...(why !== undefined && { why }), fix: FIX })

const FIX = 'nothing was touched; look at a new plan, and save it: provision run --dry-run --save FILE'

// Input, because nothing was touched: the plan is what is wrong.
const stale = ({ host, role, resource }: Pick<PlannedChange, 'host' | 'role' | 'resource'>, what: string, why?: string): Problem =>
  new Problem({
    class: 'input',
    where: { host, role: `role ${role}`, resource },
    what,
    ...(why !== undefined && { why }),
    fix: FIX,
  })
