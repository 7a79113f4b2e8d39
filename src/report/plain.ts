import type { Motion } from './human.ts'
import { duration, words } from './text.ts'

// A sign of life for whoever reads a log: what takes this long is named while it lasts.
const LONG_MS = 5000

/** For logs: a line for each change as it is made, and for what a host is busy with for long. */
export const plainMotion = (out: (text: string) => void): Motion => {
  const waiting = new Map<string, { what: string; readonly timer: NodeJS.Timeout }>()
  const line = (text: string): void => out(`${words(text).replaceAll('\n', ' ')}\n`)
  const forget = (host: string): void => {
    clearTimeout(waiting.get(host)?.timer)
    waiting.delete(host)
  }
  return {
    start: () => {},
    changed: (phase, { host, resource, action }, durationMs) => {
      forget(host)
      const time = durationMs === undefined || durationMs < 50 ? '' : `  ${duration(durationMs)}`
      line(`${host}  ${phase === 'failed' ? 'FAILED ' : ''}${action} ${resource.replace(':', ' ')}${time}`)
    },
    doing: (host, what) => {
      const before = waiting.get(host)
      if (what !== undefined && before !== undefined && occupation(what) === occupation(before.what)) {
        before.what = what
        return
      }
      forget(host)
      if (what !== undefined)
        waiting.set(host, { what, timer: setTimeout(() => line(`${host}  ${waiting.get(host)?.what}`), LONG_MS).unref() })
    },
    rolling: ({ phase, host, at, durationMs }) => {
      forget(host)
      line(`${host}  ${phase === 'out' ? 'out of' : 'in again at'} ${at}  ${duration(durationMs)}`)
    },
    title: (title) => line(title),
    stop: async () => {
      for (const host of waiting.keys()) forget(host)
    },
  }
}

// Who waits for a lock says so every other second, and behind the colon which processes hold it at that moment.
const occupation = (what: string): string => what.split(': ', 1)[0] ?? ''
