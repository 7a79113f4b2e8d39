import type { Holder } from '../host/shell/shell.ts'
import type { Identities } from '../keystore/identities.ts'
import type { Problem } from '../problem.ts'
import type { Listener } from './events.ts'
import type { Observation } from './observe/host-query.ts'
import type { Session } from './observe/session.ts'
import type { DeclaredResource } from './plan/declared.ts'
import type { Plan, PlannedChange } from './plan/plan.ts'
import type { PendingChange, Selection } from './plan/plan-host.ts'
import type { Prepared } from './prepare.ts'
import type { RunProgress } from './progress.ts'

export interface PlanOptions {
  readonly listen: Listener
  readonly signal: AbortSignal
  /** Who takes the lock on every host; left out by a dry run. */
  readonly lock?: Holder
  /** Wait for a lock that somebody else holds. */
  readonly wait?: boolean
  /** Delete orphans: resources that earlier runs made and that no role declares any more. */
  readonly prune?: boolean
}

/** A host of a run: its session, what is declared for it, what differs there. */
export interface RunHost {
  readonly session: Session
  readonly placed: readonly DeclaredResource[]
  readonly due: readonly PendingChange[]
  readonly changes: readonly PlannedChange[]
}

/** One run, made once by `plan`: all that its functions work with. Its holder must close it. */
export interface Run {
  readonly prepared: Prepared
  readonly plan: Plan
  /** The hosts that were reached. */
  readonly hosts: ReadonlyMap<string, RunHost>
  /** The newest observation of every host; replaced as the run goes on. */
  readonly observations: Map<string, Observation>
  readonly identities: Identities
  readonly selected: Selection
  /** Hosts whose unreplicated rows may be discarded. */
  readonly allowDataLoss: ReadonlySet<string>
  readonly progress: RunProgress
  readonly listen: Listener
  /** When it fires, the step at hand is finished and no other is started. */
  readonly signal: AbortSignal
  /** Hosts that could not be reached or observed, and why. */
  readonly unreachable: readonly Problem[]
  /** Opens a session, with its lock, on a host outside the run that the run needs. */
  borrow(host: string): Promise<Session>
  close(): Promise<void>
}
