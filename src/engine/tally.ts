import type { Problem } from '../problem.ts'
import type { Listener } from './event.ts'
import type { Change, Foretold } from './plan.ts'

/** What has become of a run so far: which changes were applied, which failed, and which hosts can no longer be gone on with. */
export class Tally {
  readonly problems: Problem[] = []
  readonly #listen: Listener
  readonly #applied = new Map<string, number>()
  readonly #failed = new Map<string, number>()
  readonly #broken = new Set<string>()
  readonly #lost = new Set<string>()
  /** How many changes were made or became necessary although no plan foretold them. */
  unforetold = 0
  readonly #made = new Set<string>()
  readonly #putOff = new Set<string>()
  /** Grows with every write, so that an observation knows whether it is older than one. */
  writes = 0

  constructor(listen: Listener) {
    this.#listen = listen
  }

  applied(change: Change, durationMs: number): void {
    this.writes += 1
    this.#applied.set(change.host, this.changed(change.host) + 1)
    this.#made.add(`${change.host} ${change.resource}`)
    this.#listen({ type: 'change', phase: 'applied', change, durationMs })
  }

  fail(change: Change, problems: readonly Problem[]): void {
    this.writes += 1
    this.#failed.set(change.host, this.failed(change.host) + 1)
    this.#listen({ type: 'change', phase: 'failed', change })
    this.break(change.host, problems)
  }

  /** It could not be made yet, and can wait: a person hears of it, and the next run tries again. */
  putOff(change: Change, what: string): void {
    this.#putOff.add(`${change.host} ${change.resource}`)
    this.#listen({ type: 'warning', host: change.host, role: change.role, what })
  }

  /** Whether it was applied; a run that was ended early did not come to all of its changes. */
  isMade({ host, resource }: Pick<Change, 'host' | 'resource'>): boolean {
    return this.#made.has(`${host} ${resource}`)
  }

  isPutOff({ host, resource }: Pick<Change, 'host' | 'resource'>): boolean {
    return this.#putOff.has(`${host} ${resource}`)
  }

  get hasPutOff(): boolean {
    return this.#putOff.size > 0
  }

  /** The host is left as it is for the rest of the run. */
  break(host: string, problems: readonly Problem[]): void {
    this.#broken.add(host)
    // Another host that was lost can be the reason.
    if (problems.some(({ class: sort, where }) => sort === 'unreachable' && 'host' in where && where.host === host)) this.#lost.add(host)
    this.problems.push(...problems)
  }

  /** Does something that is one change, and counts it as applied. */
  async time(change: Change, act: () => Promise<void>): Promise<void> {
    const started = performance.now()
    await act()
    this.applied(change, performance.now() - started)
  }

  /** How many of the changes that happened had been foretold. */
  get foretold(): Foretold {
    const applied = [...this.#applied.values()].reduce((sum, number) => sum + number, 0)
    return { foretold: applied, happened: applied + this.unforetold }
  }

  changed(host: string): number {
    return this.#applied.get(host) ?? 0
  }

  failed(host: string): number {
    return this.#failed.get(host) ?? 0
  }

  isBroken(host: string): boolean {
    return this.#broken.has(host)
  }

  isLost(host: string): boolean {
    return this.#lost.has(host)
  }
}
