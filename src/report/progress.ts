import type { Event } from '../engine/events.ts'
import type { Plan } from '../engine/plan/plan.ts'
import { cut, duration, pad, width, words } from './text.ts'
import type { View } from './view.ts'

interface HostProgress {
  /** What the engine says of the host, and what the host is busy with in particular. */
  state: string
  doing: string | undefined
  since: number
  startedAt: number | undefined
  endedAt: number | undefined
  settled: number
  readonly planned: number
}

const states = {
  connecting: 'connecting',
  observing: 'looking',
  waiting: '',
  applying: 'applying',
  proving: 'looking again',
  done: '',
} as const

/** What every host is doing now and how far it is, kept from the engine's events: a value to be shown at any moment. */
export class Progress {
  readonly #hosts: Map<string, HostProgress>
  readonly #begun: number
  readonly #settled = new Set<string>()
  /** How many changes were made so far. */
  applied = 0

  constructor(hosts: readonly string[], plan: Plan | undefined, now: number) {
    this.#begun = now
    const planned = Map.groupBy(plan?.changes ?? [], ({ host }) => host)
    const names = plan === undefined ? hosts : [...planned.keys()]
    this.#hosts = new Map(
      names.map((host) => [
        host,
        {
          state: '',
          doing: undefined,
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
    if (event.type === 'warning' || event.type === 'note' || event.type === 'rolling' || event.type === 'reverted') return
    const host = this.#hosts.get(event.type === 'change' ? event.change.host : event.host)
    if (host === undefined) return
    host.endedAt = now
    if (event.type === 'host') {
      if (event.state === 'applying') host.startedAt ??= now
      say(host, states[event.state], undefined, now)
    } else if (event.type === 'doing') say(host, host.state, event.what, now)
    else if (event.phase !== 'planned') {
      host.settled += 1
      if (event.phase === 'applied') this.applied += 1
      this.#settled.add(`${event.change.host} ${event.change.resource}`)
    }
  }

  /** Whether a change was made or has failed. */
  isSettled(host: string, resource: string): boolean {
    return this.#settled.has(`${host} ${resource}`)
  }

  /** Milliseconds from a host's first change to its last word. */
  timeOf(name: string): number | undefined {
    const host = this.#hosts.get(name)
    return host?.startedAt === undefined || host.endedAt === undefined ? undefined : host.endedAt - host.startedAt
  }

  /** One line for all, then one for each host that is at work, as many as fit. */
  lines(title: string, { paint, columns }: View, rows: number, now: number): readonly string[] {
    const all = [...this.#hosts.values()]
    const planned = sum(all.map((host) => host.planned))
    const far = planned === 0 ? '' : `${sum(all.map(({ settled }) => settled))}/${planned}  `
    const active = [...this.#hosts].filter(([, host]) => busyWith(host) !== '')
    const shown = active.length <= rows ? active : active.slice(0, Math.max(rows - 1, 0))
    const longest = Math.max(0, ...shown.map(([name]) => width(name)))
    return [
      `${paint.bold(title)}  ${paint.dim(`${far}${duration(now - this.#begun)}`)}`,
      ...shown.map(([name, host]) => {
        const steps = host.planned === 0 ? '' : `${host.settled}/${host.planned}  `
        const time = now - host.since < 2000 ? '' : `  ${duration(now - host.since)}`
        const room = columns - longest - 4 - steps.length - time.length
        return `  ${pad(name, longest)}  ${paint.dim(steps)}${cut(oneLine(busyWith(host)), room)}${paint.dim(time)}`
      }),
      ...(shown.length < active.length ? [paint.dim(`  and ${active.length - shown.length} more hosts`)] : []),
    ]
  }
}

const busyWith = ({ state, doing }: HostProgress): string => doing ?? state

const say = (host: HostProgress, state: string, doing: string | undefined, now: number): void => {
  if (busyWith({ ...host, state, doing }) !== busyWith(host)) host.since = now
  host.state = state
  host.doing = doing
}

const oneLine = (text: string): string => words(text).replaceAll(/\s+/g, ' ')

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)
