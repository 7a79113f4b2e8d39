import { Problem } from '../../problem.ts'
import { type Change, keyOf, type PlanContext, type Resource } from '../../resource/kind/kind.ts'
import { isOrphan } from '../../resource/ownership/orphan.ts'
import type { Observation } from '../observe/host-query.ts'
import type { DeclaredResource } from './declared.ts'

/** A resource that differs from its desired state, and the change to make. */
export interface PendingChange {
  readonly play: number
  readonly role: string
  readonly resource: Resource
  readonly state: unknown
  readonly change: Change
}

/** The input of `planHost`. */
export interface PlanInput {
  readonly resources: readonly DeclaredResource[]
  readonly observation: Observation
  /** The newest observation of every host that was reached, this one included. */
  readonly observations: ReadonlyMap<string, Observation>
  readonly selected: Selection
  /** Hosts whose unreplicated rows may be discarded. */
  readonly allowDataLoss?: ReadonlySet<string>
  readonly now: Date
}

/** The newest state of the resource with this key, on every host that was reached and declares it. */
export const statesOf = (observations: ReadonlyMap<string, Observation>, key: string): ReadonlyMap<string, unknown> =>
  new Map([...observations].flatMap(([host, observation]) => (observation.has(key) ? [[host, observation.get(key)] as const] : [])))

/** The plan context of a resource before anything is planned. */
const contextOf = (key: string, { observations = new Map(), allowDataLoss = new Set() }: Beside): PlanContext => ({
  now: new Date(),
  packagesPending: false,
  changes: () => false,
  members: () => statesOf(observations, key),
  allowDataLoss,
})

type Beside = Partial<Pick<PlanInput, 'observations' | 'allowDataLoss'>>

/** The reasons in a host's state that forbid the whole run, as input errors. */
export const forbiddenOn = (
  { host, resources, observation }: Pick<PlanInput, 'resources' | 'observation'> & { readonly host: string },
  selected: Selection,
  beside: Beside,
): readonly Problem[] =>
  resources.flatMap(({ role, resource }) => {
    const kind = resource.kind
    const key = keyOf(resource)
    const forbidden = selected(role) ? kind.forbids?.(resource.spec, observation.get(key), contextOf(key, beside)) : undefined
    if (forbidden === undefined) return []
    const { what, why, fix = 'check this resource on the host' } = forbidden
    return [new Problem({ class: 'input', where: { host, role, resource: key }, what, why, fix })]
  })

/** Warnings about the state of one host that do not depend on the plan, each with the role of its resource. */
export const noticesOf = (
  resources: readonly DeclaredResource[],
  observation: Observation,
  beside: Beside = {},
): readonly { readonly role: string; readonly what: string }[] =>
  resources.flatMap(({ role, resource }) => {
    const kind = resource.kind
    const key = keyOf(resource)
    return (kind.notices?.(resource.spec, observation.get(key), contextOf(key, beside)) ?? []).map((what) => ({ role, what }))
  })

/** Whether the resources of a role may be changed. A safety debt, such as an unconfirmed firewall, is settled by every run. */
export type Selection = (role: string) => boolean

/**
 * The pending changes of one host, in the order in which they are applied. Pure: the dry run, the run and the proof all call it.
 * Planned changes count as made: the plan of a resource takes the changes of earlier resources into account.
 */
export const planHost = ({ resources, observation, observations, selected, allowDataLoss, now }: PlanInput): readonly PendingChange[] => {
  const pending: PendingChange[] = []
  const keys = new Set<string>()
  const installing = new Set<string>()
  const deleted = new Set<string>()
  for (const { play, role, resource } of resources) {
    const key = keyOf(resource)
    const context: PlanContext = {
      now,
      packagesPending: installing.has(role),
      changes: (other) => keys.has(other),
      deleted,
      members: () => statesOf(observations, key),
      ...(allowDataLoss !== undefined && { allowDataLoss }),
    }
    const kind = resource.kind
    const change = kind.plan(resource.spec, observation.get(key), context)
    if (change === undefined || (!selected(role) && change.debt !== true)) continue
    pending.push({ play, role, resource, state: observation.get(key), change })
    keys.add(key)
    if (isOrphan(resource) && change.action === 'delete') for (const { path } of kind.files?.(resource.spec) ?? []) deleted.add(path)
    if (kind.affectsLater === true && change.action === 'create') installing.add(role)
  }
  return pending
}

/**
 * Warnings about unfinished changes of roles that are not selected: changes that were written and have not taken effect. The next run of
 * the role finishes them.
 */
export const unfinishedOf = (question: PlanInput): readonly { readonly role: string; readonly what: string }[] => {
  const { resources, selected } = question
  if (resources.every(({ role }) => selected(role))) return []
  return planHost({ ...question, selected: (role) => !selected(role) }).flatMap(({ role, resource, change }) => {
    if (selected(role) || change.unfinished !== true || change.debt === true) return []
    return [{ role, what: `${keyOf(resource).replace(':', ' ')}: ${change.reason}; the next run of role ${role} completes the change` }]
  })
}
