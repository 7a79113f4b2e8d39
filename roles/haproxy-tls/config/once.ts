import type { Options } from '../options.ts'
import { insideBind, insideServer } from './binds.ts'
import { timeoutLine } from './timeouts.ts'

/**
 * Requests other than GET take a second pass through HAProxy, over a new connection each. If a server fails before it has answered,
 * HAProxy closes a kept connection silently or refuses the HTTP/2 stream, "so that the client retries". Browsers do retry, although the
 * server may have executed the request. Only the first request of a connection gets an error response, so each of these is made the first.
 */
const SOCKET = 'once.sock'

/** Lines of the frontend for visitors: other requests than GET continue in the second pass, which also logs them. */
export const TO_ONCE = ['http-request set-log-level silent if !METH_GET', 'use_backend to-once if !METH_GET'] as const

/** Connection attempts for a request: one, and three after failures. */
const ATTEMPTS = 4
/** HAProxy waits a second before it connects to the same server again. */
const PAUSE_SECONDS = 1
const MARGIN_SECONDS = 5

/**
 * Backend that connects to the second pass. It waits longer than the second pass can take, so that a slow server ends a request once, in
 * the second pass.
 */
export const onceBackend = ({ connect, queue, server }: Options['timeouts']): readonly string[] => [
  'retry-on none',
  'http-reuse never',
  'option http-server-close',
  timeoutLine('server', ATTEMPTS * (queue + connect + PAUSE_SECONDS) + server + MARGIN_SECONDS),
  insideServer(SOCKET),
]

/** Frontend of the second pass, which keeps the visitor's address. The first pass decides how long a visitor may pause. */
export const onceFrontend = ({ client }: Options['timeouts']): readonly string[] => [
  insideBind(SOCKET),
  timeoutLine('client', client + MARGIN_SECONDS),
]
