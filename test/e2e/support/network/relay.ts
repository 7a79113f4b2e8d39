import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A TCP relay to a host that can delay data, close its connections or stop forwarding. */
export interface Relay {
  readonly port: number
  /** Number of times that this side sent after the host had sent: round trips, if data is delayed for longer than anybody computes. */
  readonly turns: number
  /** Stops forwarding in both directions without closing a connection. */
  silence(): void
  /** Forwards again, the held data first. */
  resume(): void
  /** Closes all connections; new ones are forwarded. */
  cut(): void
  close(): void
}

/** Forwards connections from `at`, by default a free port of this machine, to a port of a host. `delayMs`: delay in each direction. */
export const relayTo = async (
  address: string,
  port = 22,
  at: { readonly port: number; readonly host: string; readonly delayMs?: number } = { port: 0, host: '127.0.0.1' },
): Promise<Relay> => {
  const sockets = new Set<Socket>()
  const clients = new WeakSet<Socket>()
  let silent = false
  let turns = 0
  let sender: Socket | undefined
  const carry = (from: Socket, to: Socket): void => {
    sockets.add(from)
    from.setNoDelay(true)
    from.on('data', (chunk) => {
      if (clients.has(from) && sender !== from) turns += 1
      sender = from
      if (at.delayMs === undefined) to.write(chunk)
      else setTimeout(() => to.write(chunk), at.delayMs)
    })
    from.on('error', () => {})
    from.on('close', () => {
      sockets.delete(from)
      setTimeout(() => to.destroy(), at.delayMs ?? 0)
    })
    if (silent) from.pause()
  }
  const server = createServer((client) => {
    const host = connect(port, address)
    clients.add(client)
    carry(client, host)
    carry(host, client)
  })
  await new Promise<void>((listening, reject) => server.once('error', reject).listen(at.port, at.host, listening))
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    get turns() {
      return turns
    },
    silence: () => {
      silent = true
      for (const socket of sockets) socket.pause()
    },
    resume: () => {
      silent = false
      for (const socket of sockets) socket.resume()
    },
    cut,
    close: () => {
      cut()
      server.close()
    },
  }
}
