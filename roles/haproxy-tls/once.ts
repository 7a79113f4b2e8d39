/**
 * What changes something takes a way of its own through HAProxy, a connection for each request. When a server breaks off before it
 * has answered, HAProxy closes a visitor's kept connection without a word, or refuses the stream of HTTP/2, "so that the client
 * retries"; and browsers do, although the server may have carried the request out. Only the first request of a connection is
 * answered with an error instead. So each of these is made the first.
 */
const SOCKET = 'once.sock'
/** HAProxy's own root, once it has started: nobody else on the balancer gets in there. */
const CHROOT = '/var/lib/haproxy'

/** In the section that visitors come to: only what asks goes on from there, the rest is written down where its server is known. */
export const TO_ONCE = ['http-request set-log-level silent if !METH_GET', 'use_backend to-once if !METH_GET'] as const

/** The way out. */
export const ONCE = ['http-reuse never', 'option http-server-close', `server itself unix@/${SOCKET} send-proxy-v2`] as const

/** And in again, with the visitor's own address. */
export const FROM_ONCE = [`bind unix@${CHROOT}/${SOCKET} accept-proxy user haproxy mode 600`] as const
