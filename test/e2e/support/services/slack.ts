import { createServer } from 'node:https'

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

export const slack = async (
  address: string,
  port: number,
  { path, channel, ...pair }: { readonly path: string; readonly channel: string; readonly cert: string; readonly key: string },
): Promise<Slack> => {
  const posted: Posted[] = []
  const answer = (
    method: string | undefined,
    url: string | undefined,
    type: string | undefined,
    body: string,
  ): readonly [number, string] => {
    if (url !== path) return [403, 'invalid_token']
    if (method !== 'POST' || !type?.startsWith('application/json')) return [400, 'invalid_payload']
    const said = JSON.parse(body) as { channel?: string; attachments?: (Posted & { fallback?: string })[] }
    if (said.channel !== channel) return [404, 'channel_not_found']
    if (!said.attachments?.every(({ title, text, fallback }) => title !== '' && text !== '' && fallback !== '')) return [400, 'no_text']
    posted.push(...said.attachments)
    return [200, 'ok']
  }
  const server = createServer(pair, (request, response) => {
    let body = ''
    request.on('data', (bytes: Buffer) => (body += bytes.toString()))
    request.on('end', () => {
      const [status, words] = answer(request.method, request.url, request.headers['content-type'], body)
      response.writeHead(status, { 'content-type': 'text/html' }).end(words)
    })
  })
  await new Promise<void>((resolve, reject) => server.on('error', reject).listen(port, address, resolve))
  return { posted, close: () => server.close() }
}
