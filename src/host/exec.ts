import { type ConnectOptions, connect } from './connect.ts'
import type { Target } from './connection.ts'
import { launch, openChannel } from './launch.ts'
import { runScript } from './loop.ts'
import { unreachable } from './problems.ts'

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
  let opened = false
  let heard: Buffer = Buffer.alloc(0)
  const launched = await launch(link, target, (word) => runScript(word, command))
  launched.channel.stderr.on('data', (chunk: Buffer) => onStderr?.(chunk))
  launched.onStdout((chunk) => {
    if (opened) return onStdout?.(chunk)
    heard = Buffer.concat([heard, chunk])
    const end = heard.indexOf('\n')
    if (end === -1) return
    opened = true
    if (heard.length > end + 1) onStdout?.(heard.subarray(end + 1))
  })
  return await launched.ended
}
