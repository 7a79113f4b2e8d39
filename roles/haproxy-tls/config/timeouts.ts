import type { Options } from '../options.ts'

/** Names of the timeouts in HAProxy, by option. */
export const TIMEOUTS = {
  connect: 'connect',
  client: 'client',
  server: 'server',
  request: 'http-request',
  keep_alive: 'http-keep-alive',
  queue: 'queue',
  tunnel: 'tunnel',
} as const

export const timeoutLine = (name: (typeof TIMEOUTS)[keyof typeof TIMEOUTS], seconds: number): string =>
  `timeout ${name} ${Math.round(seconds * 1000)}ms`

/** Lines of all timeouts. */
export const timeoutLines = (timeouts: Options['timeouts']): readonly string[] =>
  Object.entries(TIMEOUTS).map(([key, name]) => timeoutLine(name, timeouts[key as keyof typeof TIMEOUTS]))
