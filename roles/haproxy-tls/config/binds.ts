/** Root directory of HAProxy's workers. Other accounts cannot enter it. */
const CHROOT = '/var/lib/haproxy'

/** `bind` line of a frontend that gets connections from a backend of the same HAProxy, with the visitor's address. */
export const insideBind = (socket: string, rest = ''): string => `bind unix@${CHROOT}/${socket} accept-proxy user haproxy mode 600${rest}`

/** `server` line of that backend. */
export const insideServer = (socket: string): string => `server itself unix@/${socket} send-proxy-v2`

/** `bind` lines of a frontend for visitors. */
export const binds = (port: number, rest: string, ipv6: boolean): readonly string[] => [
  `bind :${port}${rest}`,
  ...(ipv6 ? [`bind :::${port} v6only${rest}`] : []),
]
