import type { Holder } from '../host/shell.ts'
import type { Identities } from '../identity/identities.ts'
import type { Problem } from '../problem.ts'
import type { Listener } from './event.ts'
import type { Observation } from './observe.ts'
import type { DeclaredResource } from './place.ts'
import type { Plan, PlannedChange } from './plan.ts'
import type { PendingChange, Selection } from './planning.ts'
import type { Prepared } from './prepare.ts'
import type { Session } from './session.ts'

export interface PlanOptions {
  readonly listen: Listener
  readonly signal: AbortSignal
  /** Who takes the lock on every host; left out by a dry run. */
  readonly lock?: Holder
  /** Wait for a lock that somebody else holds. */
  readonly wait?: boolean
  /** Delete what is left over: what we made, and no role declares any more. */
  readonly prune?: boolean
}

/** A host that was reached: what shall be there, what is there, what differs. */
export interface Surveyed {
  readonly session: Session
  readonly placed: readonly DeclaredResource[]
  readonly due: readonly PendingChange[]
  readonly changes: readonly PlannedChange[]
}

/** A plan together with what is needed to carry it out. Whoever has it must close it. */
export interface Planned {
  readonly prepared: Prepared
  readonly plan: Plan
  readonly surveyed: ReadonlyMap<string, Surveyed>
  /** The newest observation of every host; renewed as the run goes on. */
  readonly everywhere: Map<string, Observation>
  readonly identities: Identities
  readonly selected: Selection
  /** Hosts of which rows may be lost that only they have. */
  readonly allowDataLoss: ReadonlySet<string>
  /** Hosts that could not be reached or asked, and why. */
  readonly unreachable: readonly Problem[]
  /** Opens a session, with its lock, on a host that is no part of the run and is needed for it. */
  borrow(host: string): Promise<Session>
  close(): Promise<void>
}

export interface ApplyOptions {
  readonly listen: Listener
  /** When it fires, the step at hand is finished, and no other begun. */
  readonly signal: AbortSignal
}
