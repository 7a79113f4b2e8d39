import { Problem, problemsIn } from '../../problem.ts'
import { type AnyKind, keyOf, type Work } from '../../resource/kind/kind.ts'
import { ControllerFailure, HostRefusal } from '../../resource/kind/step.ts'
import { isOrphan } from '../../resource/ownership/orphan.ts'
import { masked, secretsIn } from '../../secret/secret.ts'
import { CONTROLLER, type PlannedChange } from '../plan/plan.ts'
import { type PendingChange, planHost, statesOf } from '../plan/plan-host.ts'
import type { Run, RunHost } from '../run-state.ts'
import { withMount } from './mounts.ts'
import { runSteps, type StepContext } from './run-steps.ts'
import type { Sequencer } from './sequencer.ts'

/** A planned change with its pending change by the newest observation; undefined if an earlier change already had its effect. */
interface Pending {
  readonly change: PlannedChange
  readonly due: PendingChange | undefined
}

/** Changes that were applied together. */
export interface AppliedBatch {
  readonly changes: readonly PlannedChange[]
  readonly due: readonly PendingChange[]
}

/** Applies the changes of one play on one host, in order. Stops at the first refused change. Returns the applied changes; never throws a `Problem`. */
export const applyPlay = async (run: Run, surveyed: RunHost, { index: play, sequencer }: Batch): Promise<readonly AppliedBatch[]> => {
  const made: AppliedBatch[] = []
  const { host } = surveyed.session
  const shown = surveyed.due.filter((due) => due.play === play)
  try {
    run.listen({ type: 'host', host, state: 'applying' })
    const pending = pendingOf(run, surveyed, shown, play)
    for (const batch of adjacent(pending)) {
      await sequencer.waitForTurn(host, batch)
      if (run.signal.aborted) return made
      const { applied, refused } = await applyBatch(run, surveyed, batch)
      made.push({ changes: applied.map(({ change }) => change), due: applied.flatMap(({ due }) => due ?? []) })
      if (refused) return made
      sequencer.finish(host, batch)
    }
    run.listen({ type: 'host', host, state: 'waiting' })
  } catch (error) {
    const problems = problemsIn(error)
    if (problems === undefined) throw error
    run.progress.exclude(host, problems)
  } finally {
    sequencer.release(host, run.progress.isLost(host))
    run.listen({ type: 'doing', host, what: undefined })
  }
  return made
}

/** The play that is applied, and the sequencer of its hosts. */
export interface Batch {
  readonly index: number
  readonly sequencer: Sequencer
}

/** Whether a play has changes on a host. */
export const hasWork = ({ due }: RunHost, play: number): boolean => due.some((one) => one.play === play)

/** The shown changes with their present pending changes. Throws a `Problem` if the newest observation needs a change that was not shown. */
const pendingOf = (run: Run, surveyed: RunHost, shown: readonly PendingChange[], play: number): readonly Pending[] => {
  const changeOf = (due: PendingChange): PlannedChange => {
    const change = surveyed.changes.find(({ resource }) => resource === keyOf(due.resource))
    if (change === undefined) throw new Error(`${keyOf(due.resource)} is pending and was never planned`)
    return change
  }
  const { session, placed } = surveyed
  const { observations: everywhere, selected, allowDataLoss } = run
  const seen = everywhere.get(session.host) ?? new Map()
  const now = new Map(
    planHost({ placed, seen, everywhere, selected, allowDataLoss, now: new Date() })
      .filter((due) => due.play === play)
      .map((due) => [keyOf(due.resource), due]),
  )
  const predicted = new Set(shown.map(({ resource }) => keyOf(resource)))
  const unpredicted = [...now.keys()].filter((key) => !predicted.has(key))
  run.progress.unpredicted += unpredicted.length
  if (unpredicted.length > 0) throw notShown(session.host, unpredicted)
  return shown.map((due) => ({ change: changeOf(due), due: now.get(keyOf(due.resource)) }))
}

const notShown = (host: string, unpredicted: readonly string[]): Problem =>
  new Problem({
    class: 'task',
    where: { host },
    what: 'host has changed since the plan was shown',
    why: `these resources were not in the plan and need a change now: ${unpredicted.join(', ')}`,
    fix: 'review the new plan with provision run --dry-run, and run again; the rest of the host was not changed',
  })

/** Groups adjacent changes of one kind and role, which are applied together. */
const adjacent = (pending: readonly Pending[]): readonly (readonly Pending[])[] => {
  const batches: Pending[][] = []
  for (const one of pending) {
    const last = batches.at(-1)
    if (last?.[0] !== undefined && batchKey(last[0]) === batchKey(one)) last.push(one)
    else batches.push([one])
  }
  return batches
}

const batchKey = ({ change, due }: Pending): string =>
  `${change.role} ${change.resource.slice(0, change.resource.indexOf(':'))} ${due !== undefined && isOrphan(due.resource)}`

interface Applied {
  readonly applied: readonly Pending[]
  /** The host refused a change; no further change is applied to it. */
  readonly refused: boolean
}

/**
 * Applies one batch. A change whose effect is already there counts as applied. A change that failed and is deferrable is deferred, and the
 * rest of the batch is applied.
 */
const applyBatch = async (run: Run, surveyed: RunHost, batch: readonly Pending[]): Promise<Applied> => {
  const work = batch.flatMap(({ due }) => (due === undefined ? [] : [due]))
  const started = performance.now()
  const took = (): number => (performance.now() - started) / batch.length
  try {
    const steps = kindOf(work)?.apply(work.map((due) => workOf(run, due)))
    if (steps !== undefined) await runSteps(steps, surveyed.session, stepContextOf(run), applyingText(work))
    for (const { change } of batch) run.progress.applied(change, took())
    return { applied: batch, refused: false }
  } catch (thrown) {
    const cause = thrown instanceof ControllerFailure ? thrown.cause : thrown
    const error = cause instanceof HostRefusal ? await withMount(cause, surveyed.session, work) : cause
    const { done, culprit: id } = thrown instanceof ControllerFailure || thrown instanceof HostRefusal ? thrown : NOTHING_DONE
    const applied = batch.filter(({ due }) => due === undefined || done.includes(due.resource.id))
    for (const { change } of applied) run.progress.applied(change, took())
    const left = batch.filter((one) => !applied.includes(one))
    const culprit = left.find(({ due }) => due !== undefined && due.resource.id === id) ?? left[0]
    const problems =
      error instanceof HostRefusal ? [refusal(error, surveyed, culprit?.change)] : problemsIn(error)?.map(at(culprit?.change))
    if (problems === undefined || culprit === undefined) throw error
    if (!isDeferrable(culprit, problems)) {
      run.progress.fail(culprit.change, problems)
      return { applied, refused: true }
    }
    run.progress.defer(culprit.change, deferredText(culprit, problems))
    const others = left.filter((one) => one !== culprit)
    if (others.length === 0) return { applied, refused: false }
    const rest = await applyBatch(run, surveyed, others)
    return { applied: [...applied, ...rest.applied], refused: rest.refused }
  }
}

/** Adds role and resource to a problem that names only the host. */
const at =
  (change: PlannedChange | undefined) =>
  (problem: Problem): Problem => {
    const { where, what, why, fix } = problem
    if (change === undefined || problem.class !== 'task' || !('host' in where) || where.resource !== undefined) return problem
    const place = { ...where, role: `role ${change.role}`, resource: change.resource }
    return new Problem({ class: 'task', where: place, what, ...(why !== undefined && { why }), fix }, { cause: problem })
  }

const applyingText = (work: readonly PendingChange[]): string => {
  const [first, ...more] = work.map(({ resource }) => keyOf(resource).replace(':', ' '))
  return `applying ${first}${more.length === 0 ? '' : ` and ${more.length} more`}`
}

const NOTHING_DONE = { done: [] as readonly string[], culprit: undefined }

/** Whether the present state is good for a while, and the cause of the failure lies with the controller alone. */
const isDeferrable = ({ due }: Pending, problems: readonly Problem[]): boolean =>
  due?.change.deferrableUntil !== undefined && problems.every(({ where }) => 'host' in where && where.host === CONTROLLER)

const deferredText = ({ change, due }: Pending, problems: readonly Problem[]): string => {
  const until = due?.change.deferrableUntil?.toISOString().slice(0, 16).replace('T', ' ')
  const why = problems.map(
    ({ what, why: reason, fix }) => `${what}${reason === undefined ? '' : ` (${reason.split('\n').join('; ')})`}: ${fix}`,
  )
  return `${change.resource.replace(':', ' ')} was not renewed; the present one is valid until ${until} UTC, and the next run tries again: ${why.join('; ')}`
}

/** The kind of a batch, which all of its changes share. */
export const kindOf = ([first]: readonly PendingChange[]): AnyKind | undefined => first?.resource.kind

/** The context in which steps of this run are executed. */
export const stepContextOf = ({ hosts, identities, listen }: Run): StepContext => ({
  sessions: new Map([...hosts].map(([name, { session }]) => [name, session])),
  identities,
  listen,
})

export const workOf = ({ observations, allowDataLoss }: Run, { resource, state, change }: PendingChange): Work<unknown, unknown> => ({
  id: resource.id,
  spec: resource.spec,
  state,
  change,
  members: () => statesOf(observations, keyOf(resource)),
  allowDataLoss,
})

// The host's own words may repeat its input, so the secrets of its resources are masked.
export const refusal = ({ what, why, fix }: HostRefusal, { session, placed }: RunHost, change: PlannedChange | undefined): Problem =>
  new Problem({
    class: 'task',
    where: { host: session.host, ...(change === undefined ? {} : { role: `role ${change.role}`, resource: change.resource }) },
    what,
    why: masked(why, secretsIn(placed.map(({ resource }) => resource.spec))),
    fix: fix ?? 'correct what the host reports, and run again; the run continues where it stopped',
  })
