import type { Listener } from '../engine/events.ts'
import type { Outcome, Plan } from '../engine/plan/plan.ts'
import type { Problem } from '../problem.ts'

/** How a run is told: to a person who watches, to a log, to a program. */
export const formats = ['terminal', 'plain', 'json'] as const
export type Format = (typeof formats)[number]

/** How a run ended. */
export interface Ending {
  readonly plan: Plan
  readonly outcome: Outcome
  readonly problems: readonly Problem[]
  /** Nothing was to be touched: what counts as changed is what would be. */
  readonly dryRun: boolean
  readonly interrupted: boolean
  /** What the run did not look at, in words: `--limit web-02`. */
  readonly narrowedTo: readonly string[]
}

/** Whoever tells a run. The command calls these in order; the engine's events go to `listen` at any time. */
export interface Report {
  readonly listen: Listener
  /** The hosts are being asked how they are. */
  looking(hosts: readonly string[]): void
  planned(plan: Plan, playNames: readonly string[]): void
  /** The plan is being carried out. */
  applying(plan: Plan): void
  /** Somebody asked to stop; the step at hand is being finished. */
  interrupting(): void
  /** Stops whatever moves on the screen; more may be written after it. */
  settle(): Promise<void>
  finished(ending: Ending): void
  /** The run did not come to an end that could be summed up: its input was wrong, or it broke. */
  broken(problems: readonly Problem[]): void
}
