import type { ActivityDisplay } from './human.ts'
import { reportLongActivities } from './long-activities.ts'
import { duration, words } from './text.ts'

/** Prints a line per applied change, and a line per minute for a host whose activity takes long. For logs. */
export const plainActivity = (out: (text: string) => void): ActivityDisplay => {
  const line = (text: string): void => out(`${words(text).replaceAll('\n', ' ')}\n`)
  const activities = reportLongActivities((host, activity, lastedMs) =>
    line(lastedMs === undefined ? `${host}  ${activity}` : `${host}  still ${activity} (${Math.round(lastedMs / 60_000)} min)`),
  )
  return {
    start: () => {},
    changed: (phase, { host, resource, action }, durationMs) => {
      activities.printed(host)
      const time = durationMs === undefined || durationMs < 50 ? '' : `  ${duration(durationMs)}`
      line(`${host}  ${phase === 'failed' ? 'FAILED ' : ''}${action} ${resource.replace(':', ' ')}${time}`)
    },
    doing: activities.doing,
    rolling: ({ phase, host, at, durationMs }) => {
      activities.printed(host)
      line(`${host}  ${phase === 'out' ? 'drained from' : 'returned to'} ${at}  ${duration(durationMs)}`)
    },
    title: (title) => line(title),
    paused: (work) => work(),
    stop: async () => activities.stop(),
  }
}
