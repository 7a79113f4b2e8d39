import { connect } from 'node:net'

/** The answer of a port to this machine. */
export const asked = (host: string, port: number, withinMs = 700): Promise<'open' | 'refused' | 'silent'> =>
  new Promise((resolve) => {
    const socket = connect({ host, port })
    const settle = (answer: 'open' | 'refused' | 'silent') => (): void => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('connect', settle('open'))
    socket.once('error', settle('refused'))
    socket.setTimeout(withinMs, settle('silent'))
  })
