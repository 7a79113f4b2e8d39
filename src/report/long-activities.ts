/** Reports activities of hosts that take long, so that a log or a stream is never silent for more than a minute. */
export interface LongActivities {
  /** The host's current activity; undefined if it has none. */
  doing(host: string, activity: string | undefined): void
  /** Ends the host's activity, because another line about the host was printed. */
  printed(host: string): void
  stop(): void
}

interface Activity {
  text: string
  readonly startedAt: number
  /** When the last line about the host was printed. */
  silentSince: number
  timer?: NodeJS.Timeout
}

const LONG_MS = 5000
const SILENCE_MS = 60_000

/**
 * Reports an activity after five seconds, then every minute with its duration so far in milliseconds. A minute of short activities
 * is reported as well.
 */
export const reportLongActivities = (report: (host: string, activity: string, lastedMs: number | undefined) => void): LongActivities => {
  const activities = new Map<string, Activity>()
  const end = (host: string): void => {
    clearTimeout(activities.get(host)?.timer)
    activities.delete(host)
  }
  const reportIn = (ms: number, host: string, activity: Activity, isRepeated: boolean): void => {
    activity.timer = setTimeout(() => {
      activity.silentSince = performance.now()
      report(host, activity.text, isRepeated ? activity.silentSince - activity.startedAt : undefined)
      reportIn(SILENCE_MS, host, activity, true)
    }, ms).unref()
  }
  return {
    doing: (host, text) => {
      const previous = activities.get(host)
      if (previous !== undefined && text !== undefined && subjectOf(text) === subjectOf(previous.text)) {
        previous.text = text
        return
      }
      end(host)
      if (text === undefined) return
      const now = performance.now()
      const activity = { text, startedAt: now, silentSince: previous?.silentSince ?? now }
      activities.set(host, activity)
      reportIn(Math.min(LONG_MS, activity.silentSince + SILENCE_MS - now), host, activity, false)
    },
    printed: end,
    stop: () => {
      for (const host of activities.keys()) end(host)
    },
  }
}

// A wait for a lock is repeated every two seconds; the processes that hold it follow the colon.
const subjectOf = (text: string): string => text.split(': ', 1)[0] ?? ''
