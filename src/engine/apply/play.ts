import { Problem } from '../../problem.ts'
import { type AnyKind, keyOf, type Work } from '../../resource/kind/kind.ts'
import { ControllerFailure, HostRefusal } from '../../resource/kind/step.ts'
import { isOrphan } from '../../resource/ownership/orphan.ts'
import { masked, secretsIn } from '../../secret/secret.ts'
import { changeWithKey } from '../by-key.ts'
import { isInterruption, problemsOn } from '../failure.ts'
import { CONTROLLER, type PlannedChange } from '../plan/plan.ts'
import { type PendingChange, planHost, statesOf } from '../plan/plan-host.ts'
import type { Run, RunHost } from '../run-state.ts'
import { skippedTexts, unblocked } from './blocked.ts'
import { recordDebts } from './debts.ts'
import { withMount } from './mounts.ts'
import { settle } from './reboot.ts'
import { runSteps, stepContextOf } from './run-steps.ts'
import type { Sequencer } from './sequencer.ts'

/** A planned change with its pending change by the newest observation; undefined if an earlier change already had its effect. */
interface ShownChange {
  readonly change: PlannedChange
  readonly pending: PendingChange | undefined
}

/** Changes that were applied together. */
export interface AppliedBatch {
  readonly changes: readonly PlannedChange[]
  readonly pending: readonly PendingChange[]
}

/**
 * Applies the changes of one play on one host, in order. Stops at the first refused change, unless that failed alone. Returns the applied
 * changes; never throws a `Problem`.
 */
export const applyPlay = async (run: Run, runHost: RunHost, { index: play, sequencer }: Batch): Promise<readonly AppliedBatch[]> => {
  const made: AppliedBatch[] = []
  const { session } = runHost
  const { host } = session
  const shown = runHost.pending.filter((pending) => pending.play === play)
  try {
    run.listen({ type: 'host', host, state: 'applying' })
    const changes = shownChanges(run, runHost, shown, play)
    const due = changes.flatMap(({ pending }) => pending ?? [])
    await recordDebts(run, runHost, due)
    let batches = adjacent(changes)
    for (let all = batches[0]; all !== undefined; all = batches[0]) {
      batches = batches.slice(1)
      const batch = unblocked(run, host, all)
      const left = all.filter((one) => !batch.includes(one))
      sequencer.finish(host, left)
      if (batch.length === 0) continue
      await sequencer.waitForTurn(host, batch, (before, resource) =>
        run.listen({ type: 'doing', host, what: `waiting for ${before} to change ${resource.replace(':', ' ')}` }),
      )
      if (run.signal.aborted) return made
      const { shell } = session
      const { applied, refused, othersToo } = await applyBatch(run, runHost, batch)
      made.push({ changes: applied.map(({ change }) => change), pending: applied.flatMap(({ pending }) => pending ?? []) })
      if (othersToo === true) sequencer.refuse(host, batch)
      if (refused) return made
      if (session.shell !== shell) {
        // The host was rebooted. What is left is planned by what it is now.
        if (!(await settle(run, runHost))) return made
        const left = new Set(batches.flat().map(({ change }) => change.resource))
        const coming = shown.filter(({ resource }) => left.has(keyOf(resource)))
        batches = adjacent(shownChanges(run, runHost, coming, play))
      }
      sequencer.finish(host, batch)
    }
    run.listen({ type: 'host', host, state: 'waiting' })
  } catch (error) {
    run.progress.exclude(host, problemsOn(host, error))
  } finally {
    for (const what of skippedTexts(run.progress.takeSkipped(host))) run.listen({ type: 'warning', host, what })
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
export const hasWork = ({ pending }: RunHost, play: number): boolean => pending.some((one) => one.play === play)

/** The shown changes with their present pending changes. Throws a `Problem` if the newest observation needs a change that was not shown. */
const shownChanges = (run: Run, runHost: RunHost, shown: readonly PendingChange[], play: number): readonly ShownChange[] => {
  const changeOf = (pending: PendingChange): PlannedChange => {
    const change = changeWithKey(runHost.changes, keyOf(pending.resource))
    if (change === undefined) throw new Error(`${keyOf(pending.resource)} is pending and was never planned`)
    return change
  }
  const { session, resources } = runHost
  const { observations, selected, allowDataLoss } = run
  const observation = observations.get(session.host) ?? new Map()
  const now = new Map(
    planHost({ resources, observation, observations, selected, allowDataLoss, now: new Date() })
      .filter((pending) => pending.play === play)
      .map((pending) => [keyOf(pending.resource), pending]),
  )
  const predicted = new Set(shown.map(({ resource }) => keyOf(resource)))
  const unpredicted = [...now.keys()].filter((key) => !predicted.has(key))
  run.progress.unpredicted += unpredicted.length
  if (unpredicted.length > 0) throw notShown(session.host, unpredicted)
  return shown.map((pending) => ({ change: changeOf(pending), pending: now.get(keyOf(pending.resource)) }))
}

const notShown = (host: string, unpredicted: readonly string[]): Problem =>
  new Problem({
    class: 'task',
    where: { host },
    what: 'host has changed since the plan was shown',
    why: `these resources were not in the plan and need a change now: ${unpredicted.join(', ')}`,
    fix: 'review the new plan with provision run --dry-run, and run again; the rest of the host was not changed',
  })

/** Groups adjacent changes of one role and one kind or family, which are applied together. */
const adjacent = (changes: readonly ShownChange[]): readonly (readonly ShownChange[])[] => {
  const batches: ShownChange[][] = []
  for (const one of changes) {
    const last = batches.at(-1)
    if (last?.[0] !== undefined && batchKey(last[0]) === batchKey(one)) last.push(one)
    else batches.push([one])
  }
  return batches
}

const batchKey = ({ change, pending }: ShownChange): string =>
  `${change.role} ${pending?.resource.kind.family ?? change.resource.slice(0, change.resource.indexOf(':'))} ${pending !== undefined && isOrphan(pending.resource)}`

interface Applied {
  readonly applied: readonly ShownChange[]
  /** The host refused a change; no further change is applied to it. */
  readonly refused: boolean
  /** Hosts that share the resource are not changed after it. */
  readonly othersToo?: boolean
}

/**
 * Applies one batch. A change whose effect is already there counts as applied. A change that failed and is deferrable is deferred, and the
 * rest of the batch is applied. So is the rest that does not depend on a change that failed alone.
 */
const applyBatch = async (run: Run, runHost: RunHost, batch: readonly ShownChange[]): Promise<Applied> => {
  const work = batch.flatMap(({ pending }) => (pending === undefined ? [] : [pending]))
  const started = performance.now()
  const took = (): number => (performance.now() - started) / batch.length
  try {
    const steps = kindOf(work)?.apply(work.map((pending) => workOf(run, pending)))
    if (steps !== undefined) await runSteps(steps, runHost.session, stepContextOf(run), applyingText(work))
    for (const { change } of batch) run.progress.applied(change, took())
    return { applied: batch, refused: false }
  } catch (thrown) {
    const cause = thrown instanceof ControllerFailure ? thrown.cause : thrown
    const error = cause instanceof HostRefusal ? await withMount(cause, runHost.session, work) : cause
    const { done, culprit: id } = thrown instanceof ControllerFailure || thrown instanceof HostRefusal ? thrown : NOTHING_DONE
    const applied = batch.filter(({ pending }) => pending === undefined || done.includes(pending.resource.id))
    for (const { change } of applied) run.progress.applied(change, took())
    const left = batch.filter((one) => !applied.includes(one))
    const culprit = left.find(({ pending }) => pending !== undefined && pending.resource.id === id) ?? left[0]
    if (culprit === undefined || isInterruption(error)) throw error
    const problems = problemsOfChange(error, runHost, culprit.change)
    const { change, pending } = culprit
    if (pending !== undefined && error instanceof HostRefusal && failsAlone(error, pending))
      run.progress.failAlone(change, { pending, root: change.resource }, problems)
    else if (isDeferrable(culprit, problems)) run.progress.defer(change, deferredText(culprit, problems))
    else {
      run.progress.fail(change, problems)
      return { applied, refused: true, othersToo: cause instanceof HostRefusal && cause.othersToo }
    }
    const others = unblocked(
      run,
      runHost.session.host,
      left.filter((one) => one !== culprit),
    )
    if (others.length === 0) return { applied, refused: false }
    const rest = await applyBatch(run, runHost, others)
    return { ...rest, applied: [...applied, ...rest.applied] }
  }
}

/** The problems of a change that failed. */
export const problemsOfChange = (error: unknown, runHost: RunHost, change: PlannedChange | undefined): readonly Problem[] => {
  if (error instanceof HostRefusal) return [refusal(error, runHost, change)]
  const kind = change === undefined ? '' : ` of kind ${change.resource.slice(0, change.resource.indexOf(':'))}`
  return problemsOn(runHost.session.host, error, { call: `step${kind}` }).map(at(change))
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

/** Whether another account of the host controls the path of the change, and no host shares the resource. */
const failsAlone = ({ account, culprit }: HostRefusal, { resource: { id, kind } }: PendingChange): boolean =>
  account !== undefined && culprit === id && kind.sequence === undefined && kind.shared !== true

const NOTHING_DONE = { done: [] as readonly string[], culprit: undefined }

/** Whether the present state is valid for some time and only the controller caused the failure. */
const isDeferrable = ({ pending }: ShownChange, problems: readonly Problem[]): boolean =>
  pending?.change.deferrableUntil !== undefined && problems.every(({ where }) => 'host' in where && where.host === CONTROLLER)

const deferredText = ({ change, pending }: ShownChange, problems: readonly Problem[]): string => {
  const until = pending?.change.deferrableUntil?.toISOString().slice(0, 16).replace('T', ' ')
  const why = problems.map(
    ({ what, why: reason, fix }) => `${what}${reason === undefined ? '' : ` (${reason.split('\n').join('; ')})`}: ${fix}`,
  )
  return `${change.resource.replace(':', ' ')} was not renewed; the present one is valid until ${until} UTC, and the next run tries again: ${why.join('; ')}`
}

/** The kind of a batch, which all of its changes share. */
export const kindOf = ([first]: readonly PendingChange[]): AnyKind | undefined => first?.resource.kind

export const workOf = (
  { observations, allowDataLoss }: Run,
  { resource, state, change, afterScripts }: PendingChange,
): Work<unknown, unknown> => ({
  id: resource.id,
  spec: resource.spec,
  state,
  change,
  members: () => statesOf(observations, keyOf(resource)),
  allowDataLoss,
  ...(afterScripts !== undefined && { afterScripts }),
})

// The host's own words may repeat its input, so the secrets of its resources are masked.
const refusal = ({ what, why, fix }: HostRefusal, { session, resources }: RunHost, change: PlannedChange | undefined): Problem =>
  new Problem({
    class: 'task',
    where: { host: session.host, ...(change === undefined ? {} : { role: `role ${change.role}`, resource: change.resource }) },
    what,
    why: masked(why, secretsIn(resources.map(({ resource }) => resource.spec))),
    fix: fix ?? 'correct what the host reports, and run again; the run continues where it stopped',
  })
