/**
 * Requests other than GET take a second pass through HAProxy, over a new connection each. If a server fails before it has answered,
 * HAProxy closes a kept connection silently or refuses the HTTP/2 stream, "so that the client retries". Browsers do retry, although the
 * server may have executed the request. Only the first request of a connection gets an error response, so each of these is made the first.
 */
const SOCKET = 'once.sock'
/** Root directory of HAProxy's workers. Other accounts cannot enter it. */
const CHROOT = '/var/lib/haproxy'

/** Lines of the frontend for visitors: other requests than GET continue in the second pass, which also logs them. */
export const TO_ONCE = ['http-request set-log-level silent if !METH_GET', 'use_backend to-once if !METH_GET'] as const

/** Backend that connects to the second pass. */
export const ONCE = ['http-reuse never', 'option http-server-close', `server itself unix@/${SOCKET} send-proxy-v2`] as const

/** Frontend of the second pass, which keeps the visitor's address. */
export const FROM_ONCE = [`bind unix@${CHROOT}/${SOCKET} accept-proxy user haproxy mode 600`] as const
