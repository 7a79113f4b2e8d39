import type { Listener } from '../engine/events.ts'
import type { Outcome, Plan } from '../engine/plan/plan.ts'
import type { Problem } from '../problem.ts'

/** Output formats: for a terminal, for a log, for a program. */
export const formats = ['terminal', 'plain', 'json'] as const
export type Format = (typeof formats)[number]

/** Result of a run. */
export interface Ending {
  readonly plan: Plan
  readonly outcome: Outcome
  readonly problems: readonly Problem[]
  /** With a dry run, `changed` counts the changes that a run would apply. */
  readonly dryRun: boolean
  readonly interrupted: boolean
  /** Options that restrict the run, for example `--limit web-02`. */
  readonly restrictedBy: readonly string[]
}

/** Prints a run. The command calls the methods in this order; engine events arrive at `listen` at any time. */
export interface Report {
  readonly listen: Listener
  /** The run connects to the hosts and reads their state. */
  observing(hosts: readonly string[]): void
  planned(plan: Plan, playNames: readonly string[]): void
  /** The run applies the plan. */
  applying(plan: Plan): void
  /** The user pressed Ctrl-C once: the run finishes its current step. */
  interrupting(): void
  /** Pauses the activity display during `work`, for example to ask a question. */
  paused<T>(work: () => Promise<T>): Promise<T>
  /** Stops the activity display. Text can be printed below it afterwards. */
  settle(): Promise<void>
  finished(ending: Ending): void
  /** The run ended without an outcome: invalid input, or an error. */
  broken(problems: readonly Problem[]): void
}
