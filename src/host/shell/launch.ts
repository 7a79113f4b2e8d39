import type { ClientChannel } from 'ssh2'
import type { Link } from '../ssh/link.ts'
import type { Target } from '../target/connection.ts'
import { lastLines, unreachable, within } from '../target/problems.ts'
import { bootstrap, startCommand } from './answer-loop.ts'
import { Banner } from './banner.ts'
import { randomWord } from './frame.ts'

const OPEN_MS = 15_000
const START_MS = 30_000
const KEPT_STDERR = 64 * 1024

/** A privileged `sh` that has been started and given its script. */
export interface Launched {
  readonly channel: ClientChannel
  /** The random word that stands in its arguments on the host, and nowhere else. */
  readonly word: string
  /** Settles when the channel is over, with its exit status; `undefined` where the connection was lost. */
  readonly ended: Promise<number | undefined>
  /** The last that was said on stderr, for messages. */
  stderr(): string
  /** Hands over everything that comes on stdout from now on, what has come already first. */
  onStdout(take: (chunk: Buffer) => void): void
}

/** Starts `sh` as root and lets it run `script(word)`: directly, or by sudo, with the password when it asks for one. */
export const launch = async (link: Link, target: Target, script: (word: string) => string): Promise<Launched> => {
  const { name, user, sudoPassword } = target
  const word = randomWord()
  const prompt = randomWord()
  const privilege = user === 'root' ? '' : sudoPassword ? `sudo -S -p ${prompt} ` : 'sudo -n '
  const { channel, ended } = await openChannel(link, target, startCommand(word, privilege))

  let said = ''
  const banner = new Banner(word)
  const waiting: Buffer[] = []
  let take = (chunk: Buffer): void => {
    waiting.push(chunk)
  }
  const started = new Promise<void>((resolve, reject) => {
    let prompts = 0
    channel.on('data', (chunk: Buffer) => {
      const behind = banner.push(chunk)
      if (behind.length > 0) take(behind)
      if (banner.isOver) resolve()
    })
    channel.stderr.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-KEPT_STDERR)
      if (!sudoPassword || said.split(prompt).length - 1 === prompts) return
      prompts += 1
      // The password alone: if sudo asks again it would take the next line for it, and a second try can lock the account.
      if (prompts === 1) channel.write(`${sudoPassword.reveal()}\n`)
      else reject(unreachable(name, { what: `sudo does not accept the password of ${user}`, fix: 'correct sudo_password' }))
    })
    ended.then((code) => reject(notStarted(target, code, said.replaceAll(prompt, ''), banner.said)))
  })
  // Without a password nothing but our shell reads the input, so the script need not wait for a round trip.
  const sent = bootstrap(word, script(word))
  if (!privilege.includes('-S')) channel.write(sent)
  const slow = () =>
    unreachable(name, {
      what: `no root shell within ${START_MS / 1000} s`,
      why: lastLines(said),
      fix: `check what ${user}’s login shell and sudo wait for on the host`,
    })
  await within(START_MS, started, slow).catch((error: unknown) => {
    channel.destroy()
    throw error
  })
  if (privilege.includes('-S')) channel.write(sent)

  said = ''
  return {
    channel,
    word,
    ended,
    stderr: () => said,
    onStdout: (next) => {
      take = next
      const come = Buffer.concat(waiting.splice(0))
      if (come.length > 0) next(come)
    },
  }
}

export interface Opened {
  readonly channel: ClientChannel
  /** The exit status once the channel is over; `undefined` where there was none: the connection was lost, or a signal. */
  readonly ended: Promise<number | undefined>
}

/** Opens a channel with a command on it. */
export const openChannel = async (link: Link, target: Target, command: string): Promise<Opened> => {
  const { name } = target
  const opened = new Promise<Opened>((resolve, reject) => {
    const refused = (error: Error): void =>
      reject(
        unreachable(name, {
          what: 'sshd opens no session',
          why: error.message,
          fix: 'check MaxSessions and ForceCommand in the host’s sshd configuration',
          cause: error,
        }),
      )
    try {
      // A short command's exit may come in the same packet as the channel: whoever listens later misses it.
      link.client.exec(command, (error, channel) => (error ? refused(error) : resolve({ channel, ended: endOf(channel) })))
    } catch (error) {
      refused(error as Error)
    }
  })
  const late = () => unreachable(name, { what: `no session within ${OPEN_MS / 1000} s`, fix: 'check that the host is not overloaded' })
  return await within(OPEN_MS, opened, late, ({ channel }) => channel.destroy())
}

const endOf = (channel: ClientChannel): Promise<number | undefined> =>
  new Promise((resolve) => {
    let status: number | undefined
    channel.once('exit', (code: number | null) => {
      status = code ?? undefined
    })
    channel.once('close', () => resolve(status))
  })

const notStarted = (target: Target, code: number | undefined, stderr: string, stdout: string) => {
  const { name, user, sudoPassword } = target
  const why = lastLines(stderr.trim() === '' ? stdout : stderr)
  if (code === undefined)
    return unreachable(name, { what: 'the connection was lost before the root shell started', why, fix: 'check the host and run again' })
  if (user === 'root')
    return unreachable(name, {
      what: `root’s login shell does not start sh (exit ${code})`,
      why,
      fix: 'give root a shell that runs commands',
    })
  return unreachable(name, {
    what: `${user} cannot become root by sudo (exit ${code})`,
    why,
    fix: sudoPassword
      ? `install sudo on the host and permit ${user} to use it, without requiretty`
      : `permit ${user} to use sudo without a password, or give sudo_password`,
  })
}
