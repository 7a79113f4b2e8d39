import { Problem } from '../problem.ts'
import { differingFields } from './digest.ts'
import type { Change } from './plan.ts'
import type { Planned } from './planned.ts'
import { type SavedChange, type SavedPlan, savedOf } from './saved.ts'

/**
 * What keeps a saved plan from being carried out: it is made again from the site and from what the hosts say now, and every change of
 * it must still be the same, made from the same state, in the same order. Empty where it holds. Hosts that do not answer now are left out.
 */
export const whatDiffers = (saved: SavedPlan, planned: Planned): readonly Problem[] => {
  const isHere = ({ host }: { readonly host: string }): boolean => planned.surveyed.has(host) || !saved.hosts.includes(host)
  const before = new Map(saved.changes.filter(isHere).map((change) => [nameOf(change), change]))
  const after = new Map(planned.plan.changes.map((change) => [nameOf(change), change]))
  const problems = [
    ...[...before.values()].flatMap((change) => {
      const now = after.get(nameOf(change))
      return now === undefined ? [gone(change)] : different(change, now, savedOf(now, planned, saved.salt))
    }),
    ...[...after.values()].filter((change) => !before.has(nameOf(change))).map(unplanned),
  ]
  const order = [...before.keys()].join('\n') === [...after.keys()].join('\n')
  return problems.length > 0 || order ? problems : [reordered()]
}

const nameOf = ({ host, resource }: Pick<Change, 'host' | 'resource'>): string => `${host} ${resource}`

const different = (saved: SavedChange, now: Change, remade: SavedChange): readonly Problem[] => {
  const state = differingFields(saved.seen ?? {}, remade.seen ?? {})
  if (state.length > 0) return [stale(now, 'is no longer as it was when the plan was saved', inWords(state))]
  const wish = differingFields(saved.wanted ?? {}, remade.wanted ?? {})
  if (wish.length > 0) return [stale(now, 'shall be something else than when the plan was saved', inWords(wish))]
  const manner = (['action', 'sure', 'role', 'play'] as const).filter((key) => saved[key] !== remade[key])
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

const unplanned = (change: Change): Problem =>
  stale(change, `would be changed now (${change.action}), and is not in the plan`, change.reason)

const reordered = (): Problem =>
  new Problem({
    class: 'input',
    where: { command: 'the saved plan' },
    what: 'the same changes would be made in another order now',
    fix: FIX,
  })

const FIX = 'nothing was touched; look at a new plan, and save it: provision run --dry-run --save FILE'

// Input, because nothing was touched: the plan is what is wrong.
const stale = ({ host, role, resource }: Pick<Change, 'host' | 'role' | 'resource'>, what: string, why?: string): Problem =>
  new Problem({
    class: 'input',
    where: { host, role: `role ${role}`, resource },
    what,
    ...(why !== undefined && { why }),
    fix: FIX,
  })
