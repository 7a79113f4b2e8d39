/** Hosts that are busy with something for long: whoever reads a log or a stream is never left without a word for more than a minute. */
export interface Busy {
  /** What the host is busy with from now on; undefined: with nothing in particular. */
  doing(host: string, what: string | undefined): void
  /** Something else was said of the host. */
  heard(host: string): void
  stop(): void
}

interface Occupation {
  what: string
  readonly since: number
  /** Since when nothing was said of the host. */
  silentSince: number
  timer?: NodeJS.Timeout
}

const LONG_MS = 5000
const SILENCE_MS = 60_000

/**
 * What takes long is said after five seconds, and again every minute, with how many milliseconds it has lasted then. A minute full of
 * short things is not silent either.
 */
export const busyHosts = (say: (host: string, what: string, lasted: number | undefined) => void): Busy => {
  const occupations = new Map<string, Occupation>()
  const heard = (host: string): void => {
    clearTimeout(occupations.get(host)?.timer)
    occupations.delete(host)
  }
  const sayIn = (ms: number, host: string, one: Occupation, again: boolean): void => {
    one.timer = setTimeout(() => {
      one.silentSince = performance.now()
      say(host, one.what, again ? one.silentSince - one.since : undefined)
      sayIn(SILENCE_MS, host, one, true)
    }, ms).unref()
  }
  return {
    doing: (host, what) => {
      const before = occupations.get(host)
      if (before !== undefined && what !== undefined && nameOf(what) === nameOf(before.what)) {
        before.what = what
        return
      }
      heard(host)
      if (what === undefined) return
      const now = performance.now()
      const one = { what, since: now, silentSince: before?.silentSince ?? now }
      occupations.set(host, one)
      sayIn(Math.min(LONG_MS, one.silentSince + SILENCE_MS - now), host, one, false)
    },
    heard,
    stop: () => {
      for (const host of occupations.keys()) heard(host)
    },
  }
}

// Who waits for a lock says so every other second, and behind the colon which processes hold it at that moment.
const nameOf = (what: string): string => what.split(': ', 1)[0] ?? ''
