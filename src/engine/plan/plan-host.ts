import { Problem } from '../../problem.ts'
import { type Change, type FileEdit, keyOf, type PlanContext, type Resource } from '../../resource/kind/kind.ts'
import { isOrphan } from '../../resource/ownership/orphan.ts'
import { type Call, calling } from '../failure.ts'
import type { Observation } from '../observe/host-query.ts'
import type { DeclaredResource } from './declared.ts'
import { dependingOnAccounts, missingAccounts } from './needed-accounts.ts'
import { dependingOnDirectories, isRootsAlone, missingDirectory } from './needed-directories.ts'
import { effectsOfAll, shutOut } from './shut-out.ts'

/** A resource that differs from its desired state, and the change to make. */
export interface PendingChange {
  readonly play: number
  readonly role: string
  readonly resource: Resource
  readonly state: unknown
  readonly change: Change
  /** `Work.afterScripts` */
  readonly afterScripts?: boolean
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

type Beside = Partial<Pick<PlanInput, 'observations' | 'allowDataLoss'>>

const planOf = (role: string, resource: Resource): Call => ({
  call: `plan of kind ${resource.kind.name}`,
  role,
  resource: keyOf(resource),
})

/** The reasons in a host's state why the run does not change this host. Each resource is asked with the changes planned before it. */
export const forbiddenOn = (
  { host, resources, observation }: Pick<PlanInput, 'resources' | 'observation'> & { readonly host: string },
  selected: Selection,
  beside: Beside,
): readonly Problem[] => {
  const effects = effectsOfAll(resources, selected)
  return planned({ resources, observation, selected, ...beside }, ({ role, resource, state, change }, context) => {
    if (!selected(role)) return []
    const forbidden =
      missingAccounts(resource, observation, context) ??
      calling(planOf(role, resource), () => resource.kind.forbids?.(resource.spec, state, context)) ??
      (change === undefined || change.action === 'delete' ? undefined : missingDirectory(resource, observation, context)) ??
      calling(planOf(role, resource), () => shutOut(resource, change, observation, effects))
    if (forbidden === undefined) return []
    const { what, why, fix = 'check this resource on the host' } = forbidden
    return [new Problem({ class: 'task', where: { host, role, resource: keyOf(resource) }, what, why, fix })]
  })
}

/** Warnings about the state of one host, each with the role of its resource. Each resource is asked with the changes planned before it. */
export const noticesOf = (
  resources: readonly DeclaredResource[],
  observation: Observation,
  beside: Beside = {},
): readonly { readonly role: string; readonly what: string }[] =>
  planned({ resources, observation, selected: () => true, ...beside }, ({ role, resource, state }, context) =>
    (calling(planOf(role, resource), () => resource.kind.notices?.(resource.spec, state, context)) ?? []).map((what) => ({ role, what })),
  )

/** Whether the resources of a role may be changed. A safety debt, such as an unconfirmed firewall, is settled by every run. */
export type Selection = (role: string) => boolean

/**
 * The pending changes of one host, in the order in which they are applied. Pure: the dry run, the run and the proof all call it.
 * Planned changes count as made: the plan of a resource takes the changes of earlier resources into account.
 */
export const planHost = (input: PlanInput): readonly PendingChange[] =>
  planned(input, ({ change, ...one }) => (change === undefined ? [] : [{ ...one, change }]))

/** A resource with its state. `change` is undefined if it is as declared, or if its role is not selected. */
interface PlannedResource extends DeclaredResource {
  readonly state: unknown
  readonly change: Change | undefined
  readonly afterScripts: boolean
}

type Planning = Pick<PlanInput, 'resources' | 'observation' | 'selected'> & Partial<PlanInput>

/** Plans all resources in order, and returns what `visit` returns for each. The context of a visit has the changes before this resource. */
const planned = <T>(
  { resources, observation, observations = new Map(), selected, allowDataLoss = new Set(), now = new Date() }: Planning,
  visit: (one: PlannedResource, context: PlanContext) => readonly T[],
): readonly T[] => {
  const keys = new Set<string>()
  const installing = new Set<string>()
  const deleted = new Set<string>()
  const paths = new Set<string>()
  const gone = new Set<string>()
  const edits = new Map<string, FileEdit>()
  const parts = new Map<string, Resource[]>()
  let opaquePending = false
  let mayBringMore = false
  return resources.flatMap(({ play, role, resource }) => {
    const key = keyOf(resource)
    const kind = resource.kind
    const state = observation.get(key)
    const context: PlanContext = {
      now,
      packagesPending: installing.has(role),
      anyPackagesPending: installing.size > 0,
      mayBringMore,
      isRootsAlone: (directory) => isRootsAlone(observation, directory),
      changes: (other) => keys.has(other),
      changesBelow: (directory) => [...paths].some((path) => path.startsWith(`${directory}/`)),
      opaquePending,
      deletes: (what) => gone.has(what),
      deleted,
      edited: (path) => edits.get(path),
      parts: (path) => parts.get(path) ?? [],
      members: () => statesOf(observations, key),
      allowDataLoss,
    }
    const found = calling(planOf(role, resource), () => kind.plan(resource.spec, state, context))
    const change = found !== undefined && (selected(role) || found.debt === true) ? found : undefined
    const depending = change && dependingOnAccounts(change, resource, observation, context)
    const shown = depending && dependingOnDirectories(depending, resource, observation, context)
    const afterScripts = opaquePending || installing.size > 0
    const visited = visit({ play, role, resource, state, change: shown, afterScripts }, context)
    const files = change === undefined && kind.family === undefined ? [] : (kind.files?.(resource.spec) ?? []).map(({ path }) => path)
    // A part that differs, and that this run does not change, is no obstacle for others.
    if (kind.family !== undefined && (found === undefined || change !== undefined))
      for (const path of files) parts.set(path, [...(parts.get(path) ?? []), resource])
    if (change === undefined) return visited
    for (const edit of change.edits ?? []) edits.set(edit.path, edit)
    keys.add(key)
    for (const path of files) paths.add(path)
    // A directory or link is at the path that is its identity.
    const deletable = kind.family === undefined ? [key, resource.id, ...files] : [key]
    for (const one of deletable) change.action === 'delete' ? gone.add(one) : gone.delete(one)
    opaquePending ||= change.certainty === 'opaque'
    if (kind.contained !== true && !isOrphan(resource)) mayBringMore = true
    if (isOrphan(resource) && change.action === 'delete') for (const path of files) deleted.add(path)
    if (kind.affectsLater === true && change.action === 'create') installing.add(role)
    return visited
  })
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
