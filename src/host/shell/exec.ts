import { type ConnectOptions, connect } from '../ssh/connect.ts'
import type { Target } from '../target/connection.ts'
import { unreachable } from '../target/problems.ts'
import { runScript } from './answer-loop.ts'
import { Banner } from './banner.ts'
import { launch, openChannel } from './launch.ts'

export interface ExecOptions extends ConnectOptions {
  /** As root, in sh; else as the user, in the user's own login shell. */
  readonly sudo?: boolean
  readonly onStdout?: (chunk: Buffer) => void
  readonly onStderr?: (chunk: Buffer) => void
}

/** Runs one command of the user's on a host, its standard input empty; resolves with its exit status. */
export const execOn = async (target: Target, command: string, options: ExecOptions = {}): Promise<number> => {
  const link = await connect(target, options)
  const abort = (): void => void link.client.destroy()
  options.signal?.addEventListener('abort', abort)
  try {
    const code = await (options.sudo ? asRoot : asUser)(link, target, command, options)
    options.signal?.throwIfAborted()
    if (code === undefined)
      throw unreachable(target.name, {
        what: 'the command’s end was not seen: the connection was lost, or a signal ended it',
        fix: 'look on the host what became of it',
      })
    return code
  } finally {
    options.signal?.removeEventListener('abort', abort)
    await link.close()
  }
}

type Way = (link: Awaited<ReturnType<typeof connect>>, target: Target, command: string, options: ExecOptions) => Promise<number | undefined>

const asUser: Way = async (link, target, command, { onStdout, onStderr }) => {
  const { channel, ended } = await openChannel(link, target, command)
  channel.on('data', (chunk: Buffer) => onStdout?.(chunk))
  channel.stderr.on('data', (chunk: Buffer) => onStderr?.(chunk))
  channel.end()
  return await ended
}

const asRoot: Way = async (link, target, command, { onStdout, onStderr }) => {
  let opening: Banner | undefined
  const launched = await launch(link, target, (word) => {
    opening = new Banner(`${word} open\n`)
    return runScript(word, command)
  })
  launched.channel.stderr.on('data', (chunk: Buffer) => onStderr?.(chunk))
  launched.onStdout((chunk) => {
    const said = opening?.push(chunk) ?? chunk
    if (said.length > 0) onStdout?.(said)
  })
  return await launched.ended
}
