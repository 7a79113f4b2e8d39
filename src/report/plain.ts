import type { Motion } from './human.ts'
import { duration, words } from './text.ts'

/** For logs: a line for each change as it is made, and for each thing a host is busy with. */
export const plainMotion = (out: (text: string) => void): Motion => ({
  start: () => {},
  changed: (phase, { host, resource, action }, durationMs) => {
    const time = durationMs === undefined || durationMs < 50 ? '' : `  ${duration(durationMs)}`
    out(words(`${host}  ${phase === 'failed' ? 'FAILED ' : ''}${action} ${resource.replace(':', ' ')}${time}`).concat('\n'))
  },
  doing: (host, what) => out(words(`${host}  ${what}`).replaceAll('\n', ' ').concat('\n')),
  title: (title) => out(`${title}\n`),
  stop: async () => {},
})
