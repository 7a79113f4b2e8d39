import type { Action, Certainty, Difference } from '../../resource/kind/kind.ts'

/** The pseudo-host under which changes of the controller's identities stand. */
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
  /** A unified diff of text, secrets masked; undefined where there is no text to show. */
  readonly diff?: string
  /** The same word for word, where `diff` is a summary. */
  readonly fullDiff?: string
  /** The number of the play in the playbook, from 0. */
  readonly play: number
  /** It changes a record of provision itself. */
  readonly bookkeeping?: true
}

/** All changes, of the controller and of every host, in the order in which they will be made. */
export interface Plan {
  readonly changes: readonly PlannedChange[]
  /** How many resources each host has. */
  readonly resources: ReadonlyMap<string, number>
  /** How the plays are carried out that change few hosts at a time. */
  readonly rollouts?: readonly Rollout[]
  /** What is left over on the hosts, and what a run with `--prune` would do about it. */
  readonly withheld?: readonly WithheldDeletion[]
}

/** A change that this run will not make, because nobody asked for it. */
export type WithheldDeletion = Pick<PlannedChange, 'host' | 'role' | 'resource' | 'action' | 'reason'>

/** A play that changes few hosts at a time. */
export interface Rollout {
  readonly play: number
  /** How many hosts at a time: the first so many, then so many, the last number again and again. */
  readonly serial: readonly number[]
  /** Where each is taken out meanwhile. */
  readonly at: readonly string[]
  /** How many of its hosts may fail before the others are left as they are. */
  readonly maxFailures: number
}

/** What became of a host in a run. */
export interface HostOutcome {
  readonly host: string
  readonly resources: number
  readonly changed: number
  readonly failed: number
  readonly unreachable: boolean
}

/** A prediction and what became of it: of all changes that happened, so many had been foretold. */
export interface Prediction {
  readonly predicted: number
  readonly actual: number
}

export interface Outcome {
  readonly result: 'converged' | 'changed' | 'failed'
  readonly durationMs: number
  readonly hosts: readonly HostOutcome[]
  /** Left out where nothing was to happen. */
  readonly prediction?: Prediction
}
