import type { Problem } from '../problem.ts'
import type { Listener } from './events.ts'
import type { PlannedChange, Prediction } from './plan/plan.ts'
import type { PendingChange } from './plan/plan-host.ts'

/** A change that failed alone or was skipped: changes that depend on it are skipped too. */
export interface Blocked {
  readonly pending: Pick<PendingChange, 'role' | 'resource' | 'change'>
  /** Key of the resource that failed. */
  readonly root: string
}

/** Progress of a run: applied, failed and deferred changes, and hosts excluded from the rest. */
export class RunProgress {
  readonly problems: Problem[] = []
  readonly #listen: Listener
  readonly #applied = new Map<string, number>()
  readonly #failed = new Map<string, number>()
  readonly #excluded = new Set<string>()
  readonly #lost = new Set<string>()
  /** Number of changes that were made or became necessary although the plan did not contain them. */
  unpredicted = 0
  readonly #appliedKeys = new Set<string>()
  /** Changes that failed, did not converge or were reverted. */
  readonly #failedKeys = new Set<string>()
  readonly #touched = new Set<string>()
  readonly #deferred = new Set<string>()
  readonly #blocked = new Map<string, Blocked[]>()
  readonly #skipped = new Map<string, { readonly change: PlannedChange; readonly root: string }[]>()
  /** Number of writes so far. While it is 0, the observations made for the plan are still valid. */
  writes = 0

  constructor(listen: Listener) {
    this.#listen = listen
  }

  applied(change: PlannedChange, durationMs: number): void {
    this.writes += 1
    this.#touched.add(change.host)
    this.#applied.set(change.host, this.changed(change.host) + 1)
    this.#appliedKeys.add(`${change.host} ${change.resource}`)
    this.#listen({ type: 'change', phase: 'applied', change, durationMs })
  }

  /** A change failed. Its host is excluded from the rest of the run. */
  fail(change: PlannedChange, problems: readonly Problem[]): void {
    this.#countFailure(change)
    this.exclude(change.host, problems)
  }

  /** A change failed because of an account that controls its path. Changes that do not depend on it are still made. */
  failAlone(change: PlannedChange, blocked: Blocked, problems: readonly Problem[]): void {
    this.#countFailure(change)
    this.#block(change.host, blocked)
    this.problems.push(...problems)
  }

  /** A change was not made, because it depends on one that failed alone. */
  skip(change: PlannedChange, blocked: Blocked): void {
    this.#block(change.host, blocked)
    this.#skipped.set(change.host, [...(this.#skipped.get(change.host) ?? []), { change, root: blocked.root }])
  }

  /** The changes of a host that failed alone, and those that were skipped because of them. */
  blockedOn(host: string): readonly Blocked[] {
    return this.#blocked.get(host) ?? []
  }

  /** The changes of a host that were skipped since the last call. */
  takeSkipped(host: string): readonly { readonly change: PlannedChange; readonly root: string }[] {
    const taken = this.#skipped.get(host) ?? []
    this.#skipped.delete(host)
    return taken
  }

  #block(host: string, blocked: Blocked): void {
    this.#blocked.set(host, [...this.blockedOn(host), blocked])
  }

  #countFailure(change: PlannedChange): void {
    this.writes += 1
    this.#touched.add(change.host)
    this.#failed.set(change.host, this.failed(change.host) + 1)
    this.#failedKeys.add(`${change.host} ${change.resource}`)
    this.#listen({ type: 'change', phase: 'failed', change })
  }

  /** The previous state of an applied change was restored. */
  reverted(change: PlannedChange): void {
    this.#applied.set(change.host, this.changed(change.host) - 1)
    this.#appliedKeys.delete(`${change.host} ${change.resource}`)
    this.#failedKeys.add(`${change.host} ${change.resource}`)
    this.#listen({ type: 'reverted', change })
  }

  /** Postpones a change to the next run and shows a warning. */
  defer(change: PlannedChange, what: string): void {
    this.#deferred.add(`${change.host} ${change.resource}`)
    this.#listen({ type: 'warning', host: change.host, role: change.role, what })
  }

  /** Whether a change was applied. A run that ends early leaves some of its changes unapplied. */
  isApplied({ host, resource }: Pick<PlannedChange, 'host' | 'resource'>): boolean {
    return this.#appliedKeys.has(`${host} ${resource}`)
  }

  isDeferred({ host, resource }: Pick<PlannedChange, 'host' | 'resource'>): boolean {
    return this.#deferred.has(`${host} ${resource}`)
  }

  get hasDeferred(): boolean {
    return this.#deferred.size > 0
  }

  /** Excludes a host from the rest of the run. */
  exclude(host: string, problems: readonly Problem[]): void {
    this.#excluded.add(host)
    // The unreachable host may be another one, such as the load balancer where this host is taken out of service.
    if (problems.some(({ class: sort, where }) => sort === 'unreachable' && 'host' in where && where.host === host)) this.#lost.add(host)
    this.problems.push(...problems)
  }

  /** Runs `act` and counts the change as applied, with its duration. Errors pass through. */
  async timed(change: PlannedChange, act: () => Promise<void>): Promise<void> {
    const started = performance.now()
    await act()
    this.applied(change, performance.now() - started)
  }

  /** Number of changes that went as planned, and of all that were made or attempted. A change that failed was mispredicted. */
  get prediction(): Prediction {
    const predicted = [...this.#appliedKeys].filter((key) => !this.#failedKeys.has(key)).length
    return { predicted, actual: predicted + this.#failedKeys.size + this.unpredicted }
  }

  /** Whether a change of the host was applied, was reverted, or failed. */
  isTouched(host: string): boolean {
    return this.#touched.has(host)
  }

  changed(host: string): number {
    return this.#applied.get(host) ?? 0
  }

  failed(host: string): number {
    return this.#failed.get(host) ?? 0
  }

  isExcluded(host: string): boolean {
    return this.#excluded.has(host)
  }

  /** Whether the host is excluded, or a change of it failed alone. */
  hasFailed(host: string): boolean {
    return this.isExcluded(host) || this.failed(host) > 0
  }

  isLost(host: string): boolean {
    return this.#lost.has(host)
  }
}
