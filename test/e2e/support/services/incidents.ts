import type { IncomingHttpHeaders } from 'node:http'
import { type Answer, type Arrived, recorder } from './recorder.ts'

/** A request to an incident service or a chat, with its parsed body. */
export interface Asked {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: Readonly<Record<string, unknown>>
}

/** Stand-ins for incident services and chats on an address of this machine, and a webhook with a token. They refuse requests in any other form. */
export interface Incidents {
  readonly asked: readonly Asked[]
  close(): void
}

export const incidents = async (address: string, port: number): Promise<Incidents> => {
  const { records: asked, close } = await recorder<Asked>({ module: import.meta.url, address, port })
  return { asked, close }
}

/** Records every request, and refuses those in any other form. */
export const answer = ({ path, headers, body: text }: Arrived): Answer<Asked> => {
  const asked: Asked = { path, headers, body: JSON.parse(text) as Asked['body'] }
  return {
    status: isRight(asked) ? 202 : 400,
    text: path.startsWith('/bot') ? TELEGRAM : '{"status":"success","message":"refused"}',
    records: [asked],
  }
}

/** Keys and paths of the accounts of the tests. */
export const KEYS = {
  pagerduty: 'r0uting-poison',
  opsgenie: 'api-poison',
  discord: '/api/webhooks/1/poison-word',
  teams: '/workflows/poison-flow',
  ntfy: '/poison-topic',
  ntfyToken: 'tk_poison',
  telegram: '7:poison-bot',
  webhook: 'webhook-poison',
}

const TELEGRAM = '{"ok":true,"result":{"message_id":1,"date":1,"chat":{"id":-7,"type":"group"}}}'

// The documented forms of the services: Events API v2, Alert API v2, webhooks of Discord, Adaptive Cards, templates of ntfy, and sendMessage.
const isRight = ({ path, headers, body }: Asked): boolean => {
  const is = (key: string, of: Readonly<Record<string, unknown>> = body): boolean => typeof of[key] === 'string' && of[key] !== ''
  if (path === '/v2/enqueue')
    return body.routing_key === KEYS.pagerduty && /^(trigger|resolve)$/.test(String(body.event_action)) && is('dedup_key')
  if (path.startsWith('/v2/alerts'))
    return headers.authorization === `GenieKey ${KEYS.opsgenie}` && (path.includes('/close') || (is('message') && is('alias')))
  if (path === KEYS.discord) return Array.isArray(body.embeds)
  if (path.startsWith(`${KEYS.ntfy}?`)) {
    const { searchParams } = new URL(path, 'http://x')
    const isTemplate = searchParams.get('tpl') === 'yes' && searchParams.get('t') !== null && searchParams.get('m') !== null
    return headers.authorization === `Bearer ${KEYS.ntfyToken}` && isTemplate && Array.isArray(body.alerts)
  }
  if (path === `/bot${KEYS.telegram}/sendMessage`) return body.chat_id === '-7' && is('text') && body.parse_mode === undefined
  if (path === '/hook') return headers.authorization === `Bearer ${KEYS.webhook}` && Array.isArray(body.alerts)
  if (path === '/login') return headers.authorization === `Basic ${Buffer.from(`ann:${KEYS.webhook}`).toString('base64')}`
  if (path === KEYS.teams) return body.type === 'message' && Array.isArray(body.attachments)
  return false
}
