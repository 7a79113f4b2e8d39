import { lastLines } from '../../problem.ts'
import type { Script } from '../../shell/script.ts'
import type { Target } from '../target/connection.ts'
import type { Channel, Link } from '../target/link.ts'
import { unreachable, within } from '../target/problems.ts'
import { bootstrap, startCommand } from './answer-loop.ts'
import { Banner } from './banner.ts'
import { randomWord } from './frame.ts'

const START_MS = 30_000
const KEPT_STDERR = 64 * 1024

/** A root `sh` that runs its script. */
export interface Launched {
  readonly channel: Channel
  /** The random word in its arguments, which identifies its process on the host. */
  readonly word: string
  /** The end of stderr, for messages. */
  stderr(): string
  /** Passes all further output to `take`, beginning with output that has already arrived. */
  onStdout(take: (chunk: Buffer) => void): void
}

/**
 * Starts `sh` as root, directly or by sudo, and runs `script(word)` in it, which may have to be waited for. Its input begins with `input`.
 * Answers sudo's prompt with the password.
 */
export const launch = async (
  link: Link,
  target: Target,
  script: (word: string) => Script | Promise<Script>,
  input: Uint8Array = Buffer.alloc(0),
): Promise<Launched> => {
  const { name, user, sudoPassword } = target
  const word = randomWord()
  const prompt = randomWord()
  const privilege = user === 'root' ? [] : sudoPassword ? ['sudo', '-S', '-p', prompt] : ['sudo', '-n']
  const channel = await link.run(String(startCommand(word, privilege)))

  let stderr = ''
  const banner = new Banner(word)
  const waiting: Buffer[] = []
  let take = (chunk: Buffer): void => {
    waiting.push(chunk)
  }
  const started = new Promise<void>((resolve, reject) => {
    let prompts = 0
    channel.stdout.on('data', (chunk: Buffer) => {
      const wasOver = banner.isOver
      const behind = banner.push(chunk)
      // Later errors are those of the root shell, not of the login shell.
      if (banner.isOver && !wasOver) stderr = ''
      take(behind)
      if (banner.isOver) resolve()
    })
    channel.stderr.on('data', (chunk: Buffer) => {
      stderr = (stderr + chunk.toString()).slice(-KEPT_STDERR)
      if (!sudoPassword || banner.isOver || stderr.split(prompt).length - 1 === prompts) return
      prompts += 1
      // Sends only the password. At a second prompt, sudo would read the next line as a password, and a second failure can lock the account.
      if (prompts === 1) channel.stdin.write(`${sudoPassword.reveal()}\n`)
      else reject(unreachable(name, { what: `sudo refused the password of ${user}`, fix: 'correct sudo_password in the inventory' }))
    })
    channel.ended.then((code) => reject(notStarted(target, code, stderr.replaceAll(prompt, ''), banner.text)))
  })
  // Without a password only the shell reads the input, so the script is sent at once and saves a round trip.
  const text = Promise.resolve(script(word)).then((ready) => Buffer.concat([Buffer.from(bootstrap(word, ready)), input]))
  const asksForPassword = privilege.includes('-S')
  text.then(
    (sent) => asksForPassword || channel.stdin.write(sent),
    () => {},
  )
  const slow = () =>
    unreachable(name, {
      what: `root shell did not start within ${START_MS / 1000} s`,
      why: lastLines(stderr),
      fix: `check on the host what the login shell of ${user} and sudo wait for`,
    })
  await within(START_MS, started, slow)
  const sent = await text
  if (asksForPassword) channel.stdin.write(sent)

  return {
    channel,
    word,
    stderr: () => stderr,
    onStdout: (next) => {
      take = next
      next(Buffer.concat(waiting.splice(0)))
    },
  }
}

/** The problem of an account whose root shell may start no program. */
export const noExec = ({ name, user }: Target) =>
  unreachable(name, {
    what: `sudo forbids the root shell of ${user} to start programs`,
    why: 'sudoers on the host sets noexec for this account',
    fix: `remove noexec for ${user} from sudoers (Defaults noexec, and the tag NOEXEC:)`,
  })

const notStarted = (target: Target, code: number | undefined, stderr: string, stdout: string) => {
  const { name, user } = target
  const why = lastLines(stderr.trim() === '' ? stdout : stderr)
  if (code === undefined)
    return unreachable(name, {
      what: 'connection was lost before the root shell started',
      why,
      fix: 'check that the host is up, then run again',
    })
  if (user === 'root')
    return unreachable(name, {
      what: `login shell of root does not start sh (exit ${code})`,
      why,
      fix: 'give root a shell that runs commands',
    })
  return unreachable(name, {
    what: `${user} cannot become root by sudo (exit ${code})`,
    why,
    fix: sudoFix(target, why),
  })
}

const sudoFix = ({ user, sudoPassword }: Target, why: string): string => {
  if (/\btty\b/.test(why)) return `remove requiretty for ${user} from sudoers on the host`
  if (why.includes('sudo: sh: command not found')) return 'add /usr/bin and /bin to secure_path in sudoers on the host'
  return sudoPassword
    ? `install sudo on the host and permit ${user} to use it`
    : `permit ${user} to use sudo without a password, or set sudo_password in the inventory`
}
