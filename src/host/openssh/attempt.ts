import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { Problem } from '../../problem.ts'
import { readKnownHosts } from '../known-hosts/known-hosts-file.ts'
import { bastionOf } from '../ssh/jump.ts'
import type { Dropped } from '../ssh/patience.ts'
import type { Target } from '../target/connection.ts'
import type { ConnectOptions } from '../target/link.ts'
import { type SshOptions, sshArguments, type Via } from './arguments.ts'
import { failedSsh } from './problem.ts'
import { type SshProcess, startSsh } from './process.ts'
import { promptsOf } from './prompts.ts'
import { scratch } from './scratch.ts'

/** The jump hosts. Those of ssh's configuration too: ssh would log in there with other options, and put any question of theirs to the person. */
export const viaOf = async (target: Target): Promise<Via | undefined> => {
  if (target.jump.length === 0) return undefined
  const bastion = await bastionOf(target)
  return { target: bastion, via: await viaOf(bastion) }
}

export interface Attempt {
  readonly via: Via | undefined
  readonly fresh?: boolean | undefined
  readonly command: string
  readonly ssh?: SshOptions
}

/** Starts ssh once, and waits until the command runs. */
export const attemptSsh = async (
  target: Target,
  { via, fresh, command, ssh }: Attempt,
  { log, signal }: ConnectOptions,
): Promise<{ readonly process: SshProcess } | Dropped> => {
  let running: SshProcess | undefined
  const giveUp = (): void => running?.kill()
  const [directory, prompts, known] = await Promise.all([scratch(), promptsOf(target, giveUp), readKnownHosts(target.knownHosts, log)])
  const word = randomBytes(16).toString('hex')
  const file = join(directory, `log-${randomBytes(6).toString('hex')}`)
  const args = [...sshArguments(target, { via, fresh, log: file, word, ...ssh }), command]
  const env = { ...process.env, ...prompts.env }
  signal?.throwIfAborted()
  const started = await startSsh({ args, log: file, word, env, isAsking: () => prompts.isAsking }).catch((error: NodeJS.ErrnoException) => {
    prompts.close()
    if (error.code === 'ENOENT') throw missing(target)
    throw error
  })
  running = started
  const abort = (): void => started.kill()
  signal?.addEventListener('abort', abort)
  started.closed.then(() => {
    prompts.close()
    if (log) for (const line of started.log().messages) log(`${target.name}: ssh: ${line}`)
  })
  const unopened = await started.opened
  signal?.removeEventListener('abort', abort)
  if (unopened === undefined && !signal?.aborted) return { process: started }
  started.kill()
  signal?.throwIfAborted()
  const { refused, wrong } = prompts
  return failedSsh(target, { log: started.log(), stderr: started.early(), known, refused, wrong, ...unopened })
}

const missing = ({ name }: Target): Problem =>
  new Problem({
    class: 'input',
    where: { host: name },
    what: 'ssh is not installed on this machine',
    why: 'the host is reached with transport openssh',
    fix: 'install openssh-client, or set transport: ssh2',
  })
