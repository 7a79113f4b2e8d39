import { busyHosts } from './busy.ts'
import type { Motion } from './human.ts'
import { duration, words } from './text.ts'

/** For logs: a line for each change as it is made, and a sign of life of a host that is busy for long. */
export const plainMotion = (out: (text: string) => void): Motion => {
  const line = (text: string): void => out(`${words(text).replaceAll('\n', ' ')}\n`)
  const busy = busyHosts((host, what, lasted) =>
    line(lasted === undefined ? `${host}  ${what}` : `${host}  still ${what} (${Math.round(lasted / 60_000)} min)`),
  )
  return {
    start: () => {},
    changed: (phase, { host, resource, action }, durationMs) => {
      busy.heard(host)
      const time = durationMs === undefined || durationMs < 50 ? '' : `  ${duration(durationMs)}`
      line(`${host}  ${phase === 'failed' ? 'FAILED ' : ''}${action} ${resource.replace(':', ' ')}${time}`)
    },
    doing: busy.doing,
    rolling: ({ phase, host, at, durationMs }) => {
      busy.heard(host)
      line(`${host}  ${phase === 'out' ? 'out of' : 'in again at'} ${at}  ${duration(durationMs)}`)
    },
    title: (title) => line(title),
    stop: async () => busy.stop(),
  }
}
