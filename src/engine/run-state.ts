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
  /** Holder of the lock on every host; a dry run takes no lock. */
  readonly lock?: Holder
  /** Wait for a lock that another run holds. */
  readonly wait?: boolean
  /** Delete orphans: resources that provision created and no role declares any more. */
  readonly prune?: boolean
}

/** A host of a run: its session, its declared resources, and its pending changes. */
export interface RunHost {
  readonly session: Session
  readonly resources: readonly DeclaredResource[]
  readonly pending: readonly PendingChange[]
  readonly changes: readonly PlannedChange[]
  /** The keys of the identities of the site that issued its certificates. */
  readonly issuers: readonly string[]
}

/** The state of one run. `plan` creates it; the caller of `plan` must close it. */
export interface Run {
  readonly prepared: Prepared
  readonly plan: Plan
  /** The hosts that were reached. */
  readonly hosts: ReadonlyMap<string, RunHost>
  /** The newest observation of every host; replaced during the run. */
  readonly observations: Map<string, Observation>
  readonly identities: Identities
  readonly selected: Selection
  /** Hosts whose unreplicated rows may be discarded. */
  readonly allowDataLoss: ReadonlySet<string>
  readonly progress: RunProgress
  readonly listen: Listener
  /** When it fires, the current step is finished and no further step is started. */
  readonly signal: AbortSignal
  /** Why hosts could not be reached or observed. */
  readonly unreachable: readonly Problem[]
  /** Opens a session, with its lock, on a host outside the run. */
  borrow(host: string): Promise<Session>
  close(): Promise<void>
}
