import { Problem } from '../../problem.ts'
import { type Change, keyOf, type PlanContext, type Resource } from '../../resource/kind/kind.ts'
import { isOrphan } from '../../resource/ownership/orphan.ts'
import type { Observation } from '../observe/host-query.ts'
import type { DeclaredResource } from './declared.ts'

/** A resource that differs, with all that is needed to change it. */
export interface PendingChange {
  readonly play: number
  readonly role: string
  readonly resource: Resource
  readonly state: unknown
  readonly change: Change
}

/** What planning one host depends on. */
export interface PlanInput {
  readonly placed: readonly DeclaredResource[]
  readonly seen: Observation
  /** The newest observation of every host that was reached, this one's included. */
  readonly everywhere: ReadonlyMap<string, Observation>
  readonly selected: Selection
  /** Hosts of which rows may be lost that only they have. */
  readonly allowDataLoss?: ReadonlySet<string>
  readonly now: Date
}

/** What every host that was reached last said of the resource with this key, of those that have it. */
export const statesOf = (everywhere: ReadonlyMap<string, Observation>, key: string): ReadonlyMap<string, unknown> =>
  new Map([...everywhere].flatMap(([host, seen]) => (seen.has(key) ? [[host, seen.get(key)] as const] : [])))

/** What is known beside a resource itself before anything is planned. */
const worldOf = (key: string, { everywhere = new Map(), allowDataLoss = new Set() }: Beside): PlanContext => ({
  now: new Date(),
  packagesPending: false,
  changes: () => false,
  members: () => statesOf(everywhere, key),
  allowDataLoss,
})

type Beside = Partial<Pick<PlanInput, 'everywhere' | 'allowDataLoss'>>

/** Why nothing can be planned at all, as one host is. */
export const forbiddenOn = (
  { host, placed, seen }: Pick<PlanInput, 'placed' | 'seen'> & { readonly host: string },
  selected: Selection,
  beside: Beside,
): readonly Problem[] =>
  placed.flatMap(({ role, resource }) => {
    const kind = resource.kind
    const key = keyOf(resource)
    const refused = selected(role) ? kind.forbids?.(resource.spec, seen.get(key), worldOf(key, beside)) : undefined
    if (refused === undefined) return []
    const { what, why, fix = 'see what is there' } = refused
    return [new Problem({ class: 'input', where: { host, role, resource: key }, what, why, fix })]
  })

/** What a person should know of one host whatever is planned, and of whose resource it is said. */
export const noticesOf = (
  placed: readonly DeclaredResource[],
  seen: Observation,
  beside: Beside = {},
): readonly { readonly role: string; readonly what: string }[] =>
  placed.flatMap(({ role, resource }) => {
    const kind = resource.kind
    const key = keyOf(resource)
    return (kind.notices?.(resource.spec, seen.get(key), worldOf(key, beside)) ?? []).map((what) => ({ role, what }))
  })

/** Which roles' resources may be changed; debts of safety are paid whatever was asked for. */
export type Selection = (role: string) => boolean

/**
 * What differs on one host, in the order in which it will be changed. Pure: the dry run, the run and the proof all ask this.
 * Planned changes count as made: each resource is planned knowing which earlier ones will change.
 */
export const planHost = ({ placed, seen, everywhere, selected, allowDataLoss, now }: PlanInput): readonly PendingChange[] => {
  const due: PendingChange[] = []
  const keys = new Set<string>()
  const bringing = new Set<string>()
  const deleted = new Set<string>()
  for (const { play, role, resource } of placed) {
    const key = keyOf(resource)
    const world: PlanContext = {
      now,
      packagesPending: bringing.has(role),
      changes: (other) => keys.has(other),
      deleted,
      members: () => statesOf(everywhere, key),
      ...(allowDataLoss !== undefined && { allowDataLoss }),
    }
    const kind = resource.kind
    const verdict = kind.plan(resource.spec, seen.get(key), world)
    if (verdict === undefined || (!selected(role) && verdict.debt !== true)) continue
    due.push({ play, role, resource, state: seen.get(key), change: verdict })
    keys.add(key)
    if (isOrphan(resource) && verdict.action === 'delete') for (const { path } of kind.files?.(resource.spec) ?? []) deleted.add(path)
    if (kind.affectsLater === true && verdict.action === 'create') bringing.add(role)
  }
  return due
}

/**
 * What one host was left with in roles that were not asked for: it is written and has not taken effect. It is theirs to end, and
 * everybody's to know.
 */
export const unfinishedOf = (question: PlanInput): readonly { readonly role: string; readonly what: string }[] => {
  const { placed, selected } = question
  if (placed.every(({ role }) => selected(role))) return []
  return planHost({ ...question, selected: (role) => !selected(role) }).flatMap(({ role, resource, change: verdict }) => {
    if (selected(role) || verdict.unfinished !== true || verdict.debt === true) return []
    return [{ role, what: `${keyOf(resource).replace(':', ' ')}: ${verdict.reason}; the next run of role ${role} sees to that` }]
  })
}
