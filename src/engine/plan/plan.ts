import { LockedHost } from '../../host/shell/lock.ts'
import type { Problem } from '../../problem.ts'
import type { Action, Certainty, Difference } from '../../resource/kind/kind.ts'

/** The pseudo-host of changes to the controller's identities. */
export const CONTROLLER = 'controller'

/** One change of a plan: plain data, so that it can be shown, saved and compared. */
export interface PlannedChange {
  readonly host: string
  readonly role: string
  /** `kind:identity`. */
  readonly resource: string
  readonly action: Action
  readonly certainty: Certainty
  readonly reason: string
  readonly differences: readonly Difference[]
  /** A fact to know before the run, shown above the plan. */
  readonly attention?: string
  /** A unified diff with secrets masked; undefined if the change has no text to show. */
  readonly diff?: string
  /** The whole diff, where `diff` is a summary. */
  readonly fullDiff?: string
  /** Index of the play, from 0. */
  readonly play: number
  /** It changes a record of provision itself. */
  readonly bookkeeping?: true
}

/** All changes of the controller and of every host, in the order in which they are applied. */
export interface Plan {
  readonly changes: readonly PlannedChange[]
  /** Number of resources by host. */
  readonly resources: ReadonlyMap<string, number>
  /** Rollouts of the plays with `serial`. */
  readonly rollouts?: readonly Rollout[]
  /** Orphans on the hosts, with the change that a run with `--prune` would make. */
  readonly withheld?: readonly WithheldDeletion[]
}

/** A change to an orphan that the run does not make without `--prune`. */
export type WithheldDeletion = Pick<PlannedChange, 'host' | 'role' | 'resource' | 'action' | 'reason'>

/** A play that changes few hosts at a time. */
export interface Rollout {
  readonly play: number
  /** Batch sizes. The last one repeats until all hosts are done. */
  readonly serial: readonly number[]
  /** Hosts at which each is taken out of service meanwhile. */
  readonly at: readonly string[]
  /** Number of hosts that may fail before the remaining hosts are skipped. */
  readonly maxFailures: number
}

/** The result of a run on one host. */
export interface HostOutcome {
  readonly host: string
  readonly resources: number
  readonly changed: number
  readonly failed: number
  readonly unreachable: boolean
  /** Why a host that was reached has no plan: another run holds its lock, or it could not be observed or planned. */
  readonly unplanned?: 'busy' | 'failed'
}

/** The part of a host's outcome that contains the reason why it has no plan. `problems` are those of the planning. */
export const unplannedOf = (host: string, problems: readonly Problem[]): Pick<HostOutcome, 'unreachable' | 'unplanned'> => {
  const mine = problems.filter(({ where }) => 'host' in where && where.host === host)
  if (mine.every((problem) => problem.class === 'unreachable')) return { unreachable: true }
  return { unreachable: false, unplanned: mine.every((problem) => problem instanceof LockedHost) ? 'busy' : 'failed' }
}

/** Number of changes that were made or attempted (`actual`), and number of those that went as planned (`predicted`). */
export interface Prediction {
  readonly predicted: number
  readonly actual: number
}

export interface Outcome {
  readonly result: 'converged' | 'changed' | 'failed'
  readonly durationMs: number
  readonly hosts: readonly HostOutcome[]
  /** Absent if the plan was empty. */
  readonly prediction?: Prediction
}
