import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { PassThrough, type Readable, type Writable } from 'node:stream'
import { outputTaken } from '../target/link.ts'
import type { SshLog, SshStage } from './log.ts'
import { messagesIn } from './messages.ts'

/** A running ssh process. */
export interface SshProcess {
  readonly stdin: Writable
  readonly stdout: Readable
  /** Standard error of the command, without what ssh and its proxies print before the session opens. */
  readonly stderr: Readable
  /** Resolves with `undefined` when the session is open, or with a description of the process if it ended or timed out before. */
  readonly opened: Promise<Unopened | undefined>
  /** Resolves with the exit status when the process has ended and its output was taken. */
  readonly ended: Promise<number | undefined>
  /** Resolves with the exit status when the process has ended. */
  readonly closed: Promise<number | undefined>
  /** The contents of its messages so far. */
  log(): SshLog
  /** Standard error before the session opened. */
  early(): string
  kill(): void
}

/** An ssh process that did not open a session. `lateMs`: its stage took this long. `isFlooded`: it wrote too many messages. */
export interface Unopened {
  readonly lateMs?: number
  readonly isFlooded?: boolean
}

/** Milliseconds that a stage may take, as with ssh2. A proxy has to connect and log in at a jump host. */
const LIMITS: Readonly<Record<Exclude<SshStage, 'open'>, number>> = {
  connecting: 10_000,
  proxy: 45_000,
  greeting: 10_000,
  'key exchange': 20_000,
  login: 20_000,
  opening: 15_000,
}

/** Interval at which the messages are read. Output of the command shows at once that the session is open. */
const LOOK_MS = 20
/** Time after the confirmation of a session in which the host may still refuse its command. */
const SETTLE_MS = 200
/** Time after the end of ssh in which its error output is read. */
const LINGER_MS = 1_000
/** Interval at which the messages of an open session are read. */
const LATER_MS = 250
const KEPT = 64 * 1024

export interface SshStart {
  readonly args: readonly string[]
  /** The file for ssh's messages, which `args` name. */
  readonly log: string
  /** The word that ssh passes to the host when the session opens, which `args` name. */
  readonly word: string
  readonly env: NodeJS.ProcessEnv
  /** Whether a person is being asked, so that time does not count. */
  isAsking(): boolean
}

/** Starts ssh. Rejects if the program is missing. */
export const startSsh = async ({ args, log: file, word, env, isAsking }: SshStart): Promise<SshProcess> => {
  const child = await spawned(args, env)
  const messages = messagesIn(file, word)
  const stdout = child.stdout.pipe(new PassThrough())
  const stderr = new PassThrough()
  let early = ''
  let isOpen = false
  const closed = new Promise<number | undefined>((resolve) => {
    child.once('close', (code) => {
      messages.close()
      stderr.end()
      resolve(exitOf(code, messages.log))
    })
  })
  const ended = closed.then(async (code) => {
    await outputTaken(stdout, stderr)
    return code
  })
  // A proxy, or the master of a shared connection that it began, can keep standard error open for as long as it likes.
  child.once('exit', () => setTimeout(() => child.stderr.destroy(), LINGER_MS).unref())
  child.stdin.on('error', () => {})
  const opened = new Promise<Unopened | undefined>((resolve) => {
    let stage: SshStage = 'connecting'
    let since = Date.now()
    const settle = (result?: Unopened): void => {
      clearInterval(timer)
      isOpen = result === undefined
      resolve(result)
    }
    const look = (): void => {
      messages.read()
      const now = messages.log.stage
      if (now !== stage || isAsking()) since = Date.now()
      stage = now
      const spent = Date.now() - since
      if (messages.isFlooded) settle({ isFlooded: true })
      else if (stage === 'open') {
        if (spent >= SETTLE_MS) settle()
      } else if (spent >= LIMITS[stage]) settle({ lateMs: LIMITS[stage] })
    }
    const timer = setInterval(look, LOOK_MS)
    const lookAtOnce = (): void => {
      messages.read()
      if (messages.log.stage === 'open') settle()
    }
    child.stdout.once('data', lookAtOnce)
    child.stderr.on('data', (chunk: Buffer) => {
      if (!isOpen) lookAtOnce()
      if (isOpen) stderr.write(chunk)
      else early = (early + chunk.toString()).slice(-KEPT)
    })
    closed.then((code) => settle(code === undefined && !messages.log.signalled ? {} : undefined))
  })
  const later = setInterval(() => {
    if (isOpen) messages.read()
    if (messages.isFlooded) child.kill('SIGKILL')
  }, LATER_MS).unref()
  closed.then(() => clearInterval(later))
  return {
    ...{ stdin: child.stdin, stdout, stderr, opened, ended, closed },
    log: () => {
      messages.read()
      return messages.log
    },
    early: () => early,
    kill: () => void child.kill('SIGTERM'),
  }
}

// ssh exits with 255 for its own errors, and for commands that end with 255 or by a signal. Without a session, the status is no command's.
const exitOf = (code: number | null, log: SshLog): number | undefined => {
  if (log.stage !== 'open') return undefined
  return code === 255 || code === null ? log.exit : code
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>

/**
 * ssh runs in a session of its own: Ctrl-C at the terminal is for the controller, and no question reaches the terminal past it. On Linux
 * it is killed together with the controller, so that a host notices at once that the controller is gone.
 */
const spawned = async (args: readonly string[], env: NodeJS.ProcessEnv): Promise<Child> => {
  // setpriv would report a missing ssh as an exit status of the command.
  if (!isOnPath('ssh', env)) throw Object.assign(new Error('ssh is not on the PATH'), { code: 'ENOENT' })
  const words =
    process.platform === 'linux' && isOnPath('setpriv', env) ? ['setpriv', '--pdeathsig', 'KILL', 'ssh', ...args] : ['ssh', ...args]
  const [program = '', ...rest] = words
  const child = spawn(program, rest, { env, stdio: ['pipe', 'pipe', 'pipe'], detached: true })
  await new Promise<void>((resolve, reject) => (child as ChildProcess).once('spawn', resolve).once('error', reject))
  return child
}

const isOnPath = (program: string, env: NodeJS.ProcessEnv): boolean =>
  (env.PATH ?? '').split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
