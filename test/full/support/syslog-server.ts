import { createServer, type TLSSocket } from 'node:tls'

/** A message of RFC 5424. */
export interface SyslogMessage {
  readonly host: string
  readonly app: string
  readonly text: string
}

/** A syslog server over TLS. `close` also ends its connections. */
export interface SyslogServer {
  readonly messages: readonly SyslogMessage[]
  close(): Promise<void>
}

const MESSAGE = /^<\d{1,3}>1 \S+ (?<host>\S+) (?<app>\S+) \S+ \S+ (?:-|\[.*?\]) (?:\ufeff)?(?<text>.*)$/s

/** Receives frames with their length in front (RFC 5425). Throws for bytes that are none. */
export const syslogServer = (
  address: { readonly host: string; readonly port: number },
  certificate: { readonly key: string; readonly cert: string },
): Promise<SyslogServer> => {
  const messages: SyslogMessage[] = []
  const sockets = new Set<TLSSocket>()
  const server = createServer(certificate, (socket) => {
    sockets.add(socket)
    let bytes = Buffer.alloc(0)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk])
      for (;;) {
        const end = bytes.indexOf(' ')
        if (end < 0) return
        const length = Number(bytes.subarray(0, end).toString())
        if (!(length > 0)) throw new Error(`not a frame: ${bytes.subarray(0, 80)}`)
        if (bytes.length < end + 1 + length) return
        const found = MESSAGE.exec(bytes.subarray(end + 1, end + 1 + length).toString())?.groups
        if (found === undefined) throw new Error(`not a message: ${bytes.subarray(0, 200)}`)
        messages.push({ host: found.host ?? '', app: found.app ?? '', text: (found.text ?? '').trim() })
        bytes = bytes.subarray(end + 1 + length)
      }
    })
  })
  server.on('tlsClientError', () => {})
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve())
      for (const socket of sockets) socket.destroy()
    })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(address.port, address.host, () => resolve({ messages, close }))
  })
}
