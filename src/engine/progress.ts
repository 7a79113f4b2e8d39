import type { Problem } from '../problem.ts'
import type { Listener } from './events.ts'
import type { PlannedChange, Prediction } from './plan/plan.ts'

/** What has become of a run so far: which changes were applied, which failed, and which hosts can no longer be gone on with. */
export class RunProgress {
  readonly problems: Problem[] = []
  readonly #listen: Listener
  readonly #applied = new Map<string, number>()
  readonly #failed = new Map<string, number>()
  readonly #broken = new Set<string>()
  readonly #lost = new Set<string>()
  /** How many changes were made or became necessary although no plan foretold them. */
  unpredicted = 0
  readonly #made = new Set<string>()
  readonly #putOff = new Set<string>()
  /** Grows with every write, so that an observation knows whether it is older than one. */
  writes = 0

  constructor(listen: Listener) {
    this.#listen = listen
  }

  applied(change: PlannedChange, durationMs: number): void {
    this.writes += 1
    this.#applied.set(change.host, this.changed(change.host) + 1)
    this.#made.add(`${change.host} ${change.resource}`)
    this.#listen({ type: 'change', phase: 'applied', change, durationMs })
  }

  fail(change: PlannedChange, problems: readonly Problem[]): void {
    this.writes += 1
    this.#failed.set(change.host, this.failed(change.host) + 1)
    this.#listen({ type: 'change', phase: 'failed', change })
    this.exclude(change.host, problems)
  }

  /** It could not be made yet, and can wait: a person hears of it, and the next run tries again. */
  defer(change: PlannedChange, what: string): void {
    this.#putOff.add(`${change.host} ${change.resource}`)
    this.#listen({ type: 'warning', host: change.host, role: change.role, what })
  }

  /** Whether it was applied; a run that was ended early did not come to all of its changes. */
  isApplied({ host, resource }: Pick<PlannedChange, 'host' | 'resource'>): boolean {
    return this.#made.has(`${host} ${resource}`)
  }

  isDeferred({ host, resource }: Pick<PlannedChange, 'host' | 'resource'>): boolean {
    return this.#putOff.has(`${host} ${resource}`)
  }

  get hasDeferred(): boolean {
    return this.#putOff.size > 0
  }

  /** The host is left as it is for the rest of the run. */
  exclude(host: string, problems: readonly Problem[]): void {
    this.#broken.add(host)
    // Another host that was lost can be the reason.
    if (problems.some(({ class: sort, where }) => sort === 'unreachable' && 'host' in where && where.host === host)) this.#lost.add(host)
    this.problems.push(...problems)
  }

  /** Does something that is one change, and counts it as applied. */
  async timed(change: PlannedChange, act: () => Promise<void>): Promise<void> {
    const started = performance.now()
    await act()
    this.applied(change, performance.now() - started)
  }

  /** How many of the changes that happened had been foretold. */
  get prediction(): Prediction {
    const applied = [...this.#applied.values()].reduce((sum, number) => sum + number, 0)
    return { predicted: applied, actual: applied + this.unpredicted }
  }

  changed(host: string): number {
    return this.#applied.get(host) ?? 0
  }

  failed(host: string): number {
    return this.#failed.get(host) ?? 0
  }

  isExcluded(host: string): boolean {
    return this.#broken.has(host)
  }

  isLost(host: string): boolean {
    return this.#lost.has(host)
  }
}
