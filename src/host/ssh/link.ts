import type { Client, ClientChannel } from 'ssh2'
import type { Target } from '../target/connection.ts'
import type { Channel, Link } from '../target/link.ts'
import { lateSession, sessionProblem, within } from '../target/problems.ts'

/** A connection of ssh2 after login. */
export interface Ssh2Link extends Link {
  readonly client: Client
}

const OPEN_MS = 15_000

/** Opens a channel that runs a command. */
export const runOverSsh2 = async (client: Client, target: Target, command: string): Promise<Channel> => {
  const opened = new Promise<Channel>((resolve, reject) => {
    const refused = (error: Error): void => reject(sessionProblem(target.name, error))
    try {
      // The exit of a short command can arrive in the same packet as the channel, so the listeners are set at once.
      client.exec(command, (error, channel) => (error ? refused(error) : resolve(channelOf(channel))))
    } catch (error) {
      refused(error as Error)
    }
  })
  return await within(OPEN_MS, opened, () => lateSession(target.name, OPEN_MS))
}

const channelOf = (channel: ClientChannel): Channel => ({
  stdin: channel,
  stdout: channel,
  stderr: channel.stderr,
  ended: endOf(channel),
  destroy: () => void channel.destroy(),
})

const endOf = (channel: ClientChannel): Promise<number | undefined> =>
  new Promise((resolve) => {
    let status: number | undefined
    channel.once('exit', (code: number | null) => {
      status = code ?? undefined
    })
    channel.once('close', () => resolve(status))
  })
