import { lastLines, type Problem } from '../../problem.ts'
import type { Script } from '../../shell/script.ts'
import type { Target } from '../target/connection.ts'
import type { ConnectOptions } from '../target/link.ts'
import { unreachable } from '../target/problems.ts'
import { connect } from '../transport/connect.ts'
import { answerLoop, NO_EXEC } from './answer-loop.ts'
import { type Launched, launch, noExec } from './launch.ts'
import { describe, lockedBy, nextStatus, PATIENCE_SECONDS } from './lock.ts'
import { frameOf, type KillOverdue, PersistentShell } from './persistent-shell.ts'
import type { FirstRequest, Holder, Shell } from './shell.ts'

export interface OpenOptions extends ConnectOptions {
  /** Takes the host's lock for this holder. Without it, the shell takes no lock and is for reading only. */
  readonly lock?: Holder | undefined
  /** Waits for a living run that holds the lock, instead of failing. */
  readonly wait?: boolean | undefined
  /** Called after connecting. Resolves when the lock may be taken. */
  readonly turn?: (() => Promise<unknown>) | undefined
  /** Without `wait`, the time in milliseconds for which a host may report a lock: longer than its own script waits. */
  readonly patienceMs?: number | undefined
  /** Kills an overdue step, so that the shell can continue. Without it, the host is given up. */
  readonly killOverdue?: KillOverdue | undefined
  /** Its answer is `Shell.first`. If the lock is not taken, it does not run. */
  readonly first?: FirstRequest | undefined
  /** Called every few seconds while another run holds the lock, with its holder. */
  readonly onWaiting?: ((holder: string) => void) | undefined
}

/** Opens the persistent root shell on a host. */
export const openShell = async (target: Target, options: OpenOptions = {}): Promise<Shell> => {
  const { lock, wait = false, signal, killOverdue } = options
  const first = options.first && frameOf(options.first)
  const link = await connect(target, options)
  const abort = (): void => link.destroy()
  signal?.addEventListener('abort', abort)
  try {
    const loop = async (word: string): Promise<Script> => {
      await options.turn?.()
      signal?.throwIfAborted()
      return answerLoop(word, lock && { holder: lock, wait, controller: link.controller }, link.loginKeys)
    }
    const launched = await launch(link, target, loop, first?.bytes)
    return await opened(
      target,
      launched,
      options,
      (sshConnection) =>
        new PersistentShell(link, launched, { host: target.name, sshConnection, first, heartbeat: lock !== undefined, killOverdue }),
    )
  } catch (error) {
    await link.close()
    signal?.throwIfAborted()
    throw error
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}

// While it waits for the lock, a shell prints a status of a few hundred bytes every few seconds.
const SILENCE_MS = 60_000
const MAX_STATUS_BYTES = 64 * 1024
// The script on the host has the same limit. This one is for a host that does not follow the script.
const PATIENCE_MS = PATIENCE_SECONDS * 1000 + SILENCE_MS

// Reads the shell's status lines until it is open.
const opened = (
  target: Target,
  launched: Launched,
  options: OpenOptions,
  hold: (sshConnection: readonly string[]) => PersistentShell,
): Promise<PersistentShell> =>
  new Promise((resolve, reject) => {
    let output: Buffer = Buffer.alloc(0)
    const { lock, wait = false, patienceMs = lock === undefined ? SILENCE_MS : PATIENCE_MS, onWaiting } = options
    const giveUp = (what: string): void => {
      settle()
      reject(
        unreachable(target.name, {
          what,
          why: lastLines(launched.stderr()),
          fix: 'check the host: its root shell does not follow the protocol',
        }),
      )
      launched.channel.destroy()
    }
    const silence = setTimeout(() => giveUp(`root shell sent no valid status for ${SILENCE_MS / 1000} s`), SILENCE_MS)
    // With --wait, it waits as long as the host reports a holder.
    const patience =
      wait && lock !== undefined
        ? undefined
        : setTimeout(
            () => giveUp(`root shell did not open within ${patienceMs / 1000} s, longer than its limit for waiting for the lock`),
            patienceMs,
          )
    const settle = (): void => {
      clearTimeout(silence)
      clearTimeout(patience)
    }
    launched.channel.ended.then((code) => {
      settle()
      reject(notOpened(target, code, launched.stderr()))
    })
    launched.onStdout((chunk) => {
      output = Buffer.concat([output, chunk])
      for (let status = nextStatus(output); status; status = nextStatus(output)) {
        output = output.subarray(status.length)
        // Only a complete status counts as a sign of life.
        silence.refresh()
        if (status.type === 'open') {
          const shell = hold(status.rest)
          shell.take(output)
          launched.onStdout((next) => shell.take(next))
          settle()
          resolve(shell)
          return
        }
        if (status.type === 'locked') {
          settle()
          reject(lockedBy(target, status))
          return
        }
        onWaiting?.(describe(status))
      }
      if (output.length > MAX_STATUS_BYTES) giveUp('root shell sends output without end')
    })
  })

const notOpened = (target: Target, code: number | undefined, stderr: string): Problem => {
  const why = lastLines(stderr)
  if (code === undefined)
    return unreachable(target.name, {
      what: 'connection was lost while the root shell started',
      why,
      fix: 'check that the host is up, then run again',
    })
  if (code === NO_EXEC) return noExec(target)
  return unreachable(target.name, {
    what: `root shell could not be set up (exit ${code})`,
    why,
    fix: 'check on the host that /run is writable and util-linux is installed',
  })
}
