import { arm, type Bench, type Call, counted, run, runUntil } from './bench.ts'
import { type Cut, cutBetween, cutWithin, type Way } from './cuts.ts'
import { differences, type State, stateOf } from './state.ts'
import type { Tried } from './tally.ts'

/** Point of an interruption: after a request, or at a call on one host. */
export interface Point {
  readonly way: Way
  readonly at: number
  /** Host of the counted calls. */
  readonly host?: string
}

/** An undisturbed run: the number of its requests, and the calls of the root shell of each host. */
export interface Undisturbed {
  readonly requests: number
  readonly calls: ReadonlyMap<string, readonly Call[]>
}

/** Uses the services of the hosts during `work`, which interrupts a run, and returns the failures, each once. */
export type Serving = (work: () => Promise<void>, way: Way) => Promise<readonly string[]>

/** A bench with its two reference states. */
export class Trials {
  readonly tried: Tried[] = []
  /** Undisturbed runs to each state. */
  readonly ways = new Map<string, Undisturbed>()
  readonly #bench: Bench
  readonly #site: string
  readonly #more: string
  readonly #known = new Map<string, State>()
  #now = 'b'
  readonly #serving: Serving

  constructor(bench: Bench, site: string, more = '', serving: Serving = nobody) {
    this.#serving = serving
    this.#bench = bench
    this.#site = site
    this.#more = more
  }

  /** State that the next run leads to. */
  get next(): string {
    return this.#now === 'a' ? 'b' : 'a'
  }

  /** Alternates until both states repeat, and records them and the undisturbed run to each. */
  async settle(): Promise<void> {
    let changed: readonly string[] = []
    for (let round = 0; round < 4; round += 1) {
      const before = new Map(this.#known)
      for (const state of ['a', 'b']) {
        this.ways.set(state, await this.#watch(state))
        this.#known.set(state, await this.#look())
      }
      changed = ['a', 'b'].flatMap((state) => differences(before.get(state) ?? new Map(), this.#known.get(state) ?? new Map()))
      if (changed.length === 0) return
    }
    throw new Error(`undisturbed runs do not end in the same state twice:\n${changed.join('\n')}`)
  }

  // Calls are counted on every host in every round, because counting creates a directory.
  async #watch(state: string): Promise<Undisturbed> {
    const hosts = this.#bench.spec.hosts.map(({ name }) => name)
    for (const host of hosts) await arm(this.#bench.spec, host, 0)
    const { written: requests, ended } = await runUntil(this.#bench, state, 0)
    const { status, said } = await ended
    if (status !== 0) throw new Error(`an undisturbed run failed:\n${said}`)
    this.#now = state
    const calls = await Promise.all(hosts.map(async (host) => [host, await counted(this.#bench.spec, host)] as const))
    return { requests, calls: new Map(calls) }
  }

  /** Interrupts the run to the other state at this point, runs again, and compares with an undisturbed run. */
  async try(point: Point): Promise<Tried> {
    const { next } = this
    let cut: Cut | undefined
    let failed: string | undefined
    const work = async (): Promise<void> => {
      cut = await this.#cut(point)
      const { status, said } = await run(this.#bench, next)
      if (status !== 0) failed = said.slice(-2000)
      await cut?.afterwards().catch((error: unknown) => {
        failed = String(error)
      })
    }
    const unserved = await this.#serving(work, point.way)
    this.#now = next
    const found = differences(this.#known.get(next) ?? new Map(), await this.#look())
    // A boot loads the files on the disk and deletes the stamps, so the next run need not load or record anything.
    const differs = [...unserved, ...found.filter((one) => point.way !== 'power' || !one.startsWith('loaded ('))]
    const tried = {
      site: this.#site,
      way: point.way,
      where: cut === undefined ? undefined : `${(cut as Cut).where}, on the way to ${next}`,
      failed,
      differs,
    }
    this.tried.push(tried)
    if (failed !== undefined || differs.length > 0) await this.#mend(next)
    return tried
  }

  #cut({ way, at, host = '' }: Point): Promise<Cut | undefined> {
    return way === 'shell' || way === 'power'
      ? cutWithin(this.#bench, this.next, way, host, at)
      : cutBetween(this.#bench, this.next, way, at)
  }

  // Damage of one cut must not count as damage of the next.
  async #mend(state: string): Promise<void> {
    for (const one of [state === 'a' ? 'b' : 'a', state]) await this.#go(one).catch(() => undefined)
    this.#now = state
  }

  async #go(state: string): Promise<void> {
    const { status, said } = await run(this.#bench, state)
    if (status !== 0) throw new Error(`an undisturbed run failed:\n${said}`)
    this.#now = state
  }

  async #look(): Promise<State> {
    const hosts = this.#bench.spec.hosts.map(({ name }) => name)
    const states = await Promise.all(hosts.map((host) => stateOf(this.#bench.spec, host, this.#more)))
    return new Map(states.flatMap((state, i) => [...state].map(([key, is]): [string, string] => [`${key} (${hosts[i]})`, is])))
  }
}

const nobody: Serving = async (work) => {
  await work()
  return []
}
