import type { Target } from '../target/connection.ts'
import type { ConnectOptions, Link } from '../target/link.ts'
import { unreachable } from '../target/problems.ts'
import { connect } from '../transport/connect.ts'
import { NO_EXEC, runScript } from './answer-loop.ts'
import { Banner } from './banner.ts'
import { launch, noExec } from './launch.ts'

export interface ExecOptions extends ConnectOptions {
  /** Run as root in sh, instead of as the user in the login shell. */
  readonly sudo?: boolean
  readonly onStdout?: (chunk: Buffer) => void
  readonly onStderr?: (chunk: Buffer) => void
}

/** Runs one command on a host with empty standard input. Returns its exit status. */
export const execOn = async (target: Target, command: string, options: ExecOptions = {}): Promise<number> => {
  const link = await connect(target, options)
  const abort = (): void => link.destroy()
  options.signal?.addEventListener('abort', abort)
  try {
    const code = await (options.sudo ? asRoot : asUser)(link, target, command, options)
    options.signal?.throwIfAborted()
    if (code === undefined)
      throw unreachable(target.name, {
        what: 'exit status of the command is not known: the connection was lost, or a signal ended the command',
        fix: 'check on the host whether the command is still running, and what it did',
      })
    return code
  } finally {
    options.signal?.removeEventListener('abort', abort)
    await link.close()
  }
}

type Execution = (link: Link, target: Target, command: string, options: ExecOptions) => Promise<number | undefined>

const asUser: Execution = async (link, _, command, { onStdout, onStderr }) => {
  const channel = await link.run(command)
  channel.stdout.on('data', (chunk: Buffer) => onStdout?.(chunk))
  channel.stderr.on('data', (chunk: Buffer) => onStderr?.(chunk))
  channel.stdin.end()
  return await channel.ended
}

const asRoot: Execution = async (link, target, command, { onStdout, onStderr }) => {
  let banner: Banner | undefined
  const launched = await launch(link, target, (word) => {
    banner = new Banner(`${word} open\n`)
    return runScript(word, command)
  })
  // The errors of a quick command can arrive together with the first word of its shell.
  onStderr?.(Buffer.from(launched.stderr()))
  launched.channel.stderr.on('data', (chunk: Buffer) => onStderr?.(chunk))
  launched.onStdout((chunk) => {
    const output = banner?.push(chunk) ?? chunk
    onStdout?.(output)
  })
  const code = await launched.channel.ended
  if (code === NO_EXEC && banner?.isOver !== true) throw noExec(target)
  return code
}
