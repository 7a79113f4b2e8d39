import type { Event } from '../engine/events.ts'
import type { Plan } from '../engine/plan/plan.ts'
import { duration, pad, truncate, width, words } from './text.ts'
import type { View } from './view.ts'

interface HostProgress {
  /** Phase of the run on this host. */
  state: string
  /** Current activity within the phase. */
  activity: string | undefined
  since: number
  startedAt: number | undefined
  endedAt: number | undefined
  settled: number
  readonly planned: number
}

const states = {
  connecting: 'connecting',
  observing: 'observing',
  waiting: '',
  applying: 'applying',
  proving: 'observing again',
  done: '',
} as const

/** Current activity and progress of every host, from the engine's events. */
export class Progress {
  readonly #hosts: Map<string, HostProgress>
  readonly #startedAt: number
  readonly #settled = new Set<string>()
  /** Number of changes applied so far. */
  applied = 0

  constructor(hosts: readonly string[], plan: Plan | undefined, now: number) {
    this.#startedAt = now
    const planned = Map.groupBy(plan?.changes ?? [], ({ host }) => host)
    const names = plan === undefined ? hosts : [...planned.keys()]
    this.#hosts = new Map(
      names.map((host) => [
        host,
        {
          state: '',
          activity: undefined,
          since: now,
          startedAt: undefined,
          endedAt: undefined,
          settled: 0,
          planned: planned.get(host)?.length ?? 0,
        },
      ]),
    )
  }

  listen(event: Event, now: number): void {
    if (event.type === 'warning' || event.type === 'note' || event.type === 'rolling') return
    const host = this.#hosts.get('change' in event ? event.change.host : event.host)
    if (host === undefined) return
    host.endedAt = now
    if (event.type === 'host') {
      if (event.state === 'applying') host.startedAt ??= now
      update(host, states[event.state], undefined, now)
    } else if (event.type === 'reverted') {
      this.applied -= 1
      this.#settled.delete(`${event.change.host} ${event.change.resource}`)
    } else if (event.type === 'doing') update(host, host.state, event.what, now)
    else if (event.phase !== 'planned') {
      host.settled += 1
      if (event.phase === 'applied') this.applied += 1
      this.#settled.add(`${event.change.host} ${event.change.resource}`)
    }
  }

  /** Whether a change was applied or failed. */
  isSettled(host: string, resource: string): boolean {
    return this.#settled.has(`${host} ${resource}`)
  }

  /** Returns the milliseconds from a host's first change to its last event. */
  durationOf(name: string): number | undefined {
    const host = this.#hosts.get(name)
    return host?.startedAt === undefined || host.endedAt === undefined ? undefined : host.endedAt - host.startedAt
  }

  /** Returns a line for the run, then a line per active host, as many as fit into `rows`. */
  lines(title: string, { paint, columns }: View, rows: number, now: number): readonly string[] {
    const all = [...this.#hosts.values()]
    const planned = sum(all.map((host) => host.planned))
    const settled = planned === 0 ? '' : `${sum(all.map(({ settled }) => settled))}/${planned}  `
    const active = [...this.#hosts].filter(([, host]) => activityOf(host) !== '')
    const shown = active.length <= rows ? active : active.slice(0, Math.max(rows - 1, 0))
    const longest = Math.max(0, ...shown.map(([name]) => width(name)))
    return [
      `${paint.bold(title)}  ${paint.dim(`${settled}${duration(now - this.#startedAt)}`)}`,
      ...shown.map(([name, host]) => {
        const steps = host.planned === 0 ? '' : `${host.settled}/${host.planned}  `
        const time = now - host.since < 2000 ? '' : `  ${duration(now - host.since)}`
        const room = columns - longest - 4 - steps.length - time.length
        return `  ${pad(name, longest)}  ${paint.dim(steps)}${truncate(oneLine(activityOf(host)), room)}${paint.dim(time)}`
      }),
      ...(shown.length < active.length ? [paint.dim(`  and ${active.length - shown.length} more hosts`)] : []),
    ]
  }
}

const activityOf = ({ state, activity }: HostProgress): string => activity ?? state

const update = (host: HostProgress, state: string, activity: string | undefined, now: number): void => {
  if (activityOf({ ...host, state, activity }) !== activityOf(host)) host.since = now
  host.state = state
  host.activity = activity
}

const oneLine = (text: string): string => words(text).replaceAll(/\s+/g, ' ')

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)
