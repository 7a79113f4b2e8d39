import { Problem } from '../problem.ts'
import { type ConnectOptions, connect } from './connect.ts'
import type { Target } from './connection.ts'
import { HeldShell } from './held-shell.ts'
import { type Launched, launch } from './launch.ts'
import { answerLoop } from './loop.ts'
import { lastLines, unreachable } from './problems.ts'
import type { Holder, Shell } from './shell.ts'

export interface OpenOptions extends ConnectOptions {
  /** Takes the host's lock under this name; without it no lock is taken, for looking only. */
  readonly lock?: Holder | undefined
  /** Waits for a run that holds the lock and is alive, instead of refusing. */
  readonly wait?: boolean | undefined
  /** Called again and again while the lock is awaited, with who holds it. */
  readonly onWaiting?: ((holder: string) => void) | undefined
}

/** Opens the one privileged shell on a host. */
export const openShell = async (target: Target, options: OpenOptions = {}): Promise<Shell> => {
  const { lock, wait = false, signal } = options
  const link = await connect(target, options)
  const abort = (): void => void link.client.destroy()
  signal?.addEventListener('abort', abort)
  try {
    const launched = await launch(link, target, (word) => answerLoop(word, lock && { holder: lock, wait }))
    return await opened(
      target,
      launched,
      options,
      (sshConnection) => new HeldShell(target.name, sshConnection, link, launched, lock !== undefined),
    )
  } catch (error) {
    await link.close()
    signal?.throwIfAborted()
    throw error
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}

// Reads what the shell says of the lock (`WORD wait|locked STATE AGE`, its holder, its processes) until it says `WORD open`.
const opened = (
  target: Target,
  launched: Launched,
  options: OpenOptions,
  hold: (sshConnection: readonly string[]) => HeldShell,
): Promise<HeldShell> =>
  new Promise((resolve, reject) => {
    let heard: Buffer = Buffer.alloc(0)
    let locked: Problem | undefined
    launched.ended.then((code) => reject(locked ?? notOpened(target, code, launched.stderr())))
    const listen = (chunk: Buffer): void => {
      heard = Buffer.concat([heard, chunk])
      for (let status = nextStatus(heard); status; status = nextStatus(heard)) {
        heard = heard.subarray(status.length)
        if (status.says === 'open') {
          const shell = hold(status.rest)
          launched.onStdout((next) => shell.take(next))
          if (heard.length > 0) shell.take(heard)
          resolve(shell)
          return
        }
        if (status.says === 'locked') locked = lockedBy(target, status)
        else options.onWaiting?.(describe(status))
      }
    }
    launched.onStdout(listen)
  })

interface LockStatus {
  readonly length: number
  readonly says: string
  /** For `open`: SSH_CONNECTION. For the others: state and age. */
  readonly rest: readonly string[]
  readonly holder: string
  readonly processes: string
}

const nextStatus = (heard: Buffer): LockStatus | undefined => {
  const text = heard.toString('latin1')
  const first = /^[0-9a-f]{32} (\S+) ?(.*)\n/.exec(text)
  if (!first) return undefined
  const [line, says = '', rest = ''] = first
  if (says === 'open') return { length: line.length, says, rest: rest.split(' ').filter((part) => part !== ''), holder: '', processes: '' }
  const whole = /^.*\n(.*)\n(.*)\n/.exec(text)
  if (!whole) return undefined
  const [all, holder = '', processes = ''] = whole
  return { length: all.length, says, rest: rest.split(' '), holder: Buffer.from(holder, 'latin1').toString(), processes: processes.trim() }
}

const STATES: Record<string, string> = {
  ended: 'that run has ended, its last step still runs',
  gone: 'that run’s controller is gone',
  silent: 'that run’s controller has fallen silent',
  busy: 'that run is in the middle of a step',
  alive: 'that run is alive',
  unknown: 'it has just been taken',
}

const describe = ({ rest, holder, processes }: LockStatus): string => {
  const state = STATES[rest[0] ?? ''] ?? rest[0]
  return `locked by ${nameOf(holder)}: ${state}${processes === '' ? '' : ` (${processes})`}`
}

const nameOf = (holder: string): string => {
  try {
    const { user, machine, command, since } = JSON.parse(holder) as Holder
    return `${user} on ${machine} since ${since} (${command})`
  } catch {
    return 'an unknown run'
  }
}

const lockedBy = (target: Target, status: LockStatus): Problem =>
  new Problem({
    class: 'task',
    where: { host: target.name },
    what: `locked by ${nameOf(status.holder)}`,
    why: `${STATES[status.rest[0] ?? ''] ?? status.rest[0]}; ${status.processes === '' ? 'no process of it was found' : `holding the lock: ${status.processes}`}`,
    fix: 'wait for that run to end, or run with --wait',
  })

const notOpened = (target: Target, code: number | undefined, stderr: string): Problem =>
  code === undefined
    ? unreachable(target.name, {
        what: 'the connection was lost while the shell started',
        why: lastLines(stderr),
        fix: 'check the host and run again',
      })
    : unreachable(target.name, {
        what: `the root shell could not be set up (exit ${code})`,
        why: lastLines(stderr),
        fix: 'check that /run is writable and util-linux installed on the host',
      })
