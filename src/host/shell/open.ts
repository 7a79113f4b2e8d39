import type { Problem } from '../../problem.ts'
import { type ConnectOptions, connect } from '../ssh/connect.ts'
import type { Target } from '../target/connection.ts'
import { lastLines, unreachable } from '../target/problems.ts'
import { answerLoop } from './answer-loop.ts'
import { type Launched, launch } from './launch.ts'
import { describe, lockedBy, nextStatus, PATIENCE_SECONDS } from './lock.ts'
import { type EndOverdue, PersistentShell } from './persistent-shell.ts'
import type { Holder, Shell } from './shell.ts'

export interface OpenOptions extends ConnectOptions {
  /** Takes the host's lock under this name; without it no lock is taken, for looking only. */
  readonly lock?: Holder | undefined
  /** Waits for a run that holds the lock and is alive, instead of refusing. */
  readonly wait?: boolean | undefined
  /** When it may take the lock; until then it is connected only. */
  readonly turn?: Promise<unknown> | undefined
  /** How long a host may say that it is locked, in milliseconds, where nobody asked to wait: longer than its own script does. */
  readonly patienceMs?: number | undefined
  /** Ends what takes longer than it may, so that the shell can go on; without, the host is given up. */
  readonly endOverdue?: EndOverdue | undefined
  /** Called again and again while the lock is awaited, with who holds it. */
  readonly onWaiting?: ((holder: string) => void) | undefined
}

/** Opens the one privileged shell on a host. */
export const openShell = async (target: Target, options: OpenOptions = {}): Promise<Shell> => {
  const { lock, wait = false, signal, endOverdue } = options
  const link = await connect(target, options)
  const abort = (): void => void link.client.destroy()
  signal?.addEventListener('abort', abort)
  try {
    await options.turn
    signal?.throwIfAborted()
    const launched = await launch(link, target, (word) => answerLoop(word, lock && { holder: lock, wait }))
    return await opened(
      target,
      launched,
      options,
      (sshConnection) => new PersistentShell(link, launched, { host: target.name, sshConnection, beats: lock !== undefined, endOverdue }),
    )
  } catch (error) {
    await link.close()
    signal?.throwIfAborted()
    throw error
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}

// A shell speaks of the lock every few seconds, and in a few hundred bytes.
const SILENCE_MS = 60_000
const MOST_BYTES = 64 * 1024
// The script on the host keeps to its patience by itself; a host that does not do as it is told must not hold us for ever.
const PATIENCE_MS = PATIENCE_SECONDS * 1000 + SILENCE_MS

// Hears what the shell says of the lock until it is open.
const opened = (
  target: Target,
  launched: Launched,
  options: OpenOptions,
  hold: (sshConnection: readonly string[]) => PersistentShell,
): Promise<PersistentShell> =>
  new Promise((resolve, reject) => {
    let heard: Buffer = Buffer.alloc(0)
    const { lock, wait = false, patienceMs = lock === undefined ? SILENCE_MS : PATIENCE_MS, onWaiting } = options
    const giveUp = (what: string): void => {
      settle()
      reject(
        unreachable(target.name, {
          what,
          why: lastLines(launched.stderr()),
          fix: 'look at the host: its root shell does not do as it is told',
        }),
      )
      launched.channel.destroy()
    }
    const silence = setTimeout(() => giveUp(`its root shell said nothing of use for ${SILENCE_MS / 1000} s`), SILENCE_MS)
    // Who asked to wait waits for as long as the host says why.
    const patience =
      wait && lock !== undefined
        ? undefined
        : setTimeout(
            () => giveUp(`its root shell did not open within ${patienceMs / 1000} s, longer than it was told to wait for the lock`),
            patienceMs,
          )
    const settle = (): void => {
      clearTimeout(silence)
      clearTimeout(patience)
    }
    launched.ended.then((code) => {
      settle()
      reject(notOpened(target, code, launched.stderr()))
    })
    launched.onStdout((chunk) => {
      heard = Buffer.concat([heard, chunk])
      for (let status = nextStatus(heard); status; status = nextStatus(heard)) {
        heard = heard.subarray(status.length)
        // Only a whole status is a sign of life.
        silence.refresh()
        if (status.says === 'open') {
          const shell = hold(status.rest)
          launched.onStdout((next) => shell.take(next))
          settle()
          if (heard.length > 0) shell.take(heard)
          resolve(shell)
          return
        }
        if (status.says === 'locked') {
          settle()
          reject(lockedBy(target, status))
          return
        }
        onWaiting?.(describe(status))
      }
      if (heard.length > MOST_BYTES) giveUp('its root shell talks without end')
    })
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
