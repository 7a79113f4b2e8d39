import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A TCP relay to a host that can close its connections or stop forwarding. */
export interface Relay {
  readonly port: number
  /** Stops forwarding in both directions without closing a connection. */
  silence(): void
  /** Forwards again, the held data first. */
  resume(): void
  /** Closes all connections; new ones are forwarded. */
  cut(): void
  close(): void
}

/** Forwards connections from `at`, by default a free port of this machine, to a port of a host. */
export const relayTo = async (
  address: string,
  port = 22,
  at: { readonly port: number; readonly host: string } = { port: 0, host: '127.0.0.1' },
): Promise<Relay> => {
  const sockets = new Set<Socket>()
  let silent = false
  const carry = (from: Socket, to: Socket): void => {
    sockets.add(from)
    from.setNoDelay(true)
    from.on('data', (chunk) => to.write(chunk))
    from.on('error', () => {})
    from.on('close', () => {
      sockets.delete(from)
      to.destroy()
    })
    if (silent) from.pause()
  }
  const server = createServer((client) => {
    const host = connect(port, address)
    carry(client, host)
    carry(host, client)
  })
  await new Promise<void>((listening, reject) => server.once('error', reject).listen(at.port, at.host, listening))
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
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
