import type { Motion } from './human.ts'
import { duration, words } from './text.ts'

// A sign of life for whoever reads a log: what takes this long is named while it lasts.
const LONG_MS = 5000

/** For logs: a line for each change as it is made, and for what a host is busy with for long. */
export const plainMotion = (out: (text: string) => void): Motion => {
  const waiting = new Map<string, NodeJS.Timeout>()
  const line = (text: string): void => out(`${words(text).replaceAll('\n', ' ')}\n`)
  const forget = (host: string): void => clearTimeout(waiting.get(host))
  return {
    start: () => {},
    changed: (phase, { host, resource, action }, durationMs) => {
      forget(host)
      const time = durationMs === undefined || durationMs < 50 ? '' : `  ${duration(durationMs)}`
      line(`${host}  ${phase === 'failed' ? 'FAILED ' : ''}${action} ${resource.replace(':', ' ')}${time}`)
    },
    doing: (host, what) => {
      forget(host)
      if (what !== undefined) waiting.set(host, setTimeout(() => line(`${host}  ${what}`), LONG_MS).unref())
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
