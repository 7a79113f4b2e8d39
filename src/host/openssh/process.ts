import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process'
import { accessSync, closeSync, constants, openSync, readSync, rmSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { PassThrough, type Readable, type Writable } from 'node:stream'
import { outputTaken } from '../target/link.ts'
import { parseSshLog, type SshLog, type SshStage } from './log.ts'

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

/** An ssh process that did not open a session. `lateMs`: its stage took this long. */
export interface Unopened {
  readonly lateMs?: number
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
const KEPT = 64 * 1024

export interface SshStart {
  readonly args: readonly string[]
  /** The file for ssh's messages, which `args` name. */
  readonly log: string
  readonly env: NodeJS.ProcessEnv
  /** Whether a person is being asked, so that time does not count. */
  isAsking(): boolean
}

/** Starts ssh. Rejects if the program is missing. */
export const startSsh = async ({ args, log: file, env, isAsking }: SshStart): Promise<SshProcess> => {
  const child = await spawned(args, env)
  const messages = messagesIn(file)
  const stdout = child.stdout.pipe(new PassThrough())
  const stderr = new PassThrough()
  let early = ''
  let isOpen = false
  const closed = new Promise<number | undefined>((resolve) => {
    child.once('close', (code) => {
      messages.read()
      messages.close()
      stderr.end()
      resolve(exitOf(code, messages.log()))
    })
  })
  const ended = closed.then(async (code) => {
    await outputTaken(stdout, stderr)
    return code
  })
  child.stdin.on('error', () => {})
  child.stderr.on('data', (chunk: Buffer) => {
    messages.read()
    if (isOpen || messages.log().stage === 'open') stderr.write(chunk)
    else early = (early + chunk.toString()).slice(-KEPT)
  })
  const opened = new Promise<Unopened | undefined>((resolve) => {
    let stage: SshStage = 'connecting'
    let since = Date.now()
    const settle = (result?: Unopened): void => {
      clearInterval(timer)
      isOpen = result === undefined
      resolve(result)
    }
    const timer = setInterval(() => {
      messages.read()
      const { stage: now } = messages.log()
      if (now !== stage || isAsking()) since = Date.now()
      stage = now
      const spent = Date.now() - since
      if (stage === 'open') return spent >= SETTLE_MS ? settle() : undefined
      if (spent >= LIMITS[stage]) settle({ lateMs: LIMITS[stage] })
    }, LOOK_MS)
    child.stdout.once('data', () => settle())
    child.stderr.on('data', () => messages.log().stage === 'open' && settle())
    closed.then((code) => settle(code === undefined && !messages.log().signalled ? {} : undefined))
  })
  return {
    ...{ stdin: child.stdin, stdout, stderr, opened, ended, closed },
    log: () => {
      messages.read()
      return messages.log()
    },
    early: () => early,
    kill: () => void child.kill('SIGTERM'),
  }
}

// ssh exits with 255 for its own errors, and for commands that end with 255 or by a signal.
const exitOf = (code: number | null, log: SshLog): number | undefined => (code === 255 || code === null ? log.exit : code)

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

/** Follows the file to which ssh writes its messages, and deletes it: ssh has it open. */
const messagesIn = (file: string): { read(): void; log(): SshLog; close(): void } => {
  let descriptor: number | undefined
  let text = ''
  let parsed: SshLog | undefined
  const buffer = Buffer.alloc(16 * 1024)
  const open = (): number | undefined => {
    try {
      const fresh = openSync(file, constants.O_RDONLY)
      rmSync(file)
      return fresh
    } catch {
      return undefined
    }
  }
  const read = (): void => {
    descriptor ??= open()
    if (descriptor === undefined) return
    for (let length = readSync(descriptor, buffer); length > 0; length = readSync(descriptor, buffer)) {
      text += buffer.toString('utf8', 0, length)
      parsed = undefined
      // Keeps the beginning, which has the login, and the end.
      if (text.length > 2 * KEPT) text = `${text.slice(0, KEPT)}\n${text.slice(-KEPT / 2)}`
    }
  }
  return {
    read,
    log: () => {
      parsed ??= parseSshLog(text)
      return parsed
    },
    close: () => {
      if (descriptor !== undefined) closeSync(descriptor)
      else rmSync(file, { force: true })
      descriptor = undefined
    },
  }
}
