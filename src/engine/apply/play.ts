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

/** A planned change with what is due for it now; nothing, when an earlier change has already brought it about. */
interface Pending {
  readonly change: PlannedChange
  readonly due: PendingChange | undefined
}

/** What was applied together, and what it was made from. */
export interface AppliedBatch {
  readonly changes: readonly PlannedChange[]
  readonly due: readonly PendingChange[]
}

/** Makes one play's changes on one host, in their order. Stops at the first that the host refuses, and gives what it made; never throws a `Problem`. */
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

/** Which play is carried out, and who waits for whom in it. */
export interface Batch {
  readonly index: number
  readonly sequencer: Sequencer
}

/** Whether a play has something to do on a host. */
export const hasWork = ({ due }: RunHost, play: number): boolean => due.some((one) => one.play === play)

/** What is due by the newest observation, under the labels that were shown; throws where more would be done than was shown. */
const pendingOf = (run: Run, surveyed: RunHost, shown: readonly PendingChange[], play: number): readonly Pending[] => {
  const changeOf = (due: PendingChange): PlannedChange => {
    const change = surveyed.changes.find(({ resource }) => resource === keyOf(due.resource))
    if (change === undefined) throw new Error(`${keyOf(due.resource)} is due and was never planned`)
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
  const foretold = new Set(shown.map(({ resource }) => keyOf(resource)))
  const unforeseen = [...now.keys()].filter((key) => !foretold.has(key))
  run.progress.unpredicted += unforeseen.length
  if (unforeseen.length > 0) throw notShown(session.host, unforeseen)
  return shown.map((due) => ({ change: changeOf(due), due: now.get(keyOf(due.resource)) }))
}

const notShown = (host: string, unforeseen: readonly string[]): Problem =>
  new Problem({
    class: 'task',
    where: { host },
    what: 'is no longer as it was when the plan was shown',
    why: `this was not in the plan, and would have to change now: ${unforeseen.join(', ')}`,
    fix: 'nothing more was changed on it; look at the new plan with --dry-run, and run again',
  })

/** Adjacent changes of one kind and role: they are applied together. */
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
  /** The host refused something: nothing more is done to it. */
  readonly refused: boolean
}

/** Applies one batch. A change that is already so counts as applied; one that may wait, and has to, is put off and the rest goes on. */
const applyBatch = async (run: Run, surveyed: RunHost, batch: readonly Pending[]): Promise<Applied> => {
  const work = batch.flatMap(({ due }) => (due === undefined ? [] : [due]))
  const started = performance.now()
  const took = (): number => (performance.now() - started) / batch.length
  try {
    const steps = kindOf(work)?.apply(work.map((due) => workOf(run, due)))
    if (steps !== undefined) await runSteps(steps, surveyed.session, stepContextOf(run), seeingTo(work))
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
    if (!mayWait(culprit, problems)) {
      run.progress.fail(culprit.change, problems)
      return { applied, refused: true }
    }
    run.progress.defer(culprit.change, putOffWords(culprit, problems))
    const others = left.filter((one) => one !== culprit)
    if (others.length === 0) return { applied, refused: false }
    const rest = await applyBatch(run, surveyed, others)
    return { applied: [...applied, ...rest.applied], refused: rest.refused }
  }
}

/** Names the change at which a host failed, where the problem knows the host alone. */
const at =
  (change: PlannedChange | undefined) =>
  (problem: Problem): Problem => {
    const { where, what, why, fix } = problem
    if (change === undefined || problem.class !== 'task' || !('host' in where) || where.resource !== undefined) return problem
    const place = { ...where, role: `role ${change.role}`, resource: change.resource }
    return new Problem({ class: 'task', where: place, what, ...(why !== undefined && { why }), fix }, { cause: problem })
  }

const seeingTo = (work: readonly PendingChange[]): string => {
  const [first, ...more] = work.map(({ resource }) => keyOf(resource).replace(':', ' '))
  return `seeing to ${first}${more.length === 0 ? '' : ` and ${more.length} more`}`
}

const NOTHING_DONE = { done: [] as readonly string[], culprit: undefined }

/** What is there will do for a while, and nothing that the host did is to blame. */
const mayWait = ({ due }: Pending, problems: readonly Problem[]): boolean =>
  due?.change.deferrableUntil !== undefined && problems.every(({ where }) => 'host' in where && where.host === CONTROLLER)

const putOffWords = ({ change, due }: Pending, problems: readonly Problem[]): string => {
  const until = due?.change.deferrableUntil?.toISOString().slice(0, 16).replace('T', ' ')
  const why = problems.map(
    ({ what, why: reason, fix }) => `${what}${reason === undefined ? '' : ` (${reason.split('\n').join('; ')})`}: ${fix}`,
  )
  return `${change.resource.replace(':', ' ')} was not renewed, what is there is good until ${until} UTC, and the next run tries again; ${why.join('; ')}`
}

/** The kind of changes that are applied together. */
export const kindOf = ([first]: readonly PendingChange[]): AnyKind | undefined => first?.resource.kind

/** What the steps of this run's changes are carried out with. */
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

// A checker or a service may repeat what it was given; the secrets of its host do not go any further.
export const refusal = ({ what, why, fix }: HostRefusal, { session, placed }: RunHost, change: PlannedChange | undefined): Problem =>
  new Problem({
    class: 'task',
    where: { host: session.host, ...(change === undefined ? {} : { role: `role ${change.role}`, resource: change.resource }) },
    what,
    why: masked(why, secretsIn(placed.map(({ resource }) => resource.spec))),
    fix: fix ?? 'mend what the host says, and run again: the run takes up where it stopped',
  })
