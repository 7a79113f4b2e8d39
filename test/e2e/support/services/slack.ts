import { type Answer, type Arrived, recorder } from './recorder.ts'

/** A message posted to a channel. */
export interface Posted {
  readonly title: string
  readonly title_link?: string
  readonly text: string
}

/** A chat server with the interface of Slack's incoming webhooks. It records the posted messages. */
export interface Slack {
  readonly posted: readonly Posted[]
  close(): void
}

interface Channel {
  readonly path: string
  readonly channel: string
}

export const slack = async (
  address: string,
  port: number,
  { path, channel, ...pair }: Channel & { readonly cert: string; readonly key: string },
): Promise<Slack> => {
  const { records: posted, close } = await recorder<Posted>({ module: import.meta.url, address, port, pair, context: { path, channel } })
  return { posted, close }
}

/** The messages of a request, or the refusal of one in any other form. */
export const answer = ({ method, path, headers, body }: Arrived, { path: own, channel }: Channel): Answer<Posted> => {
  const refused = (status: number, text: string): Answer<Posted> => ({ status, text, records: [] })
  if (path !== own) return refused(403, 'invalid_token')
  if (method !== 'POST' || !headers['content-type']?.startsWith('application/json')) return refused(400, 'invalid_payload')
  const said = JSON.parse(body) as { channel?: string; attachments?: (Posted & { fallback?: string })[] }
  if (said.channel !== channel) return refused(404, 'channel_not_found')
  if (!said.attachments?.every(({ title, text, fallback }) => title !== '' && text !== '' && fallback !== ''))
    return refused(400, 'no_text')
  return { status: 200, text: 'ok', records: said.attachments }
}
