import { setTimeout as sleep } from 'node:timers/promises'
import { Problem } from '../../problem.ts'
import { isRefusedLogin } from '../ssh/handshake-problem.ts'
import type { Target } from '../target/connection.ts'
import { unreachable, within } from '../target/problems.ts'
import { openShell } from './open.ts'
import type { Answer } from './shell.ts'

/** The first and the longest pause between two attempts. Pauses double. */
const PAUSES_MS = [250, 4_000] as const

/** Attempts after a refused login. More are useless, and newer versions of sshd block clients that continue (PerSourcePenalties). */
const REFUSALS = 2

/**
 * Runs a script over a new connection, as root and without the lock, which proves that access still works. Retries until the deadline, or
 * until the login was refused twice.
 */
export const runOnce = async (target: Target, script: string, { deadlineMs }: { readonly deadlineMs: number }): Promise<Answer> => {
  const end = Date.now() + deadlineMs
  const expired = new AbortController()
  let last: unknown
  const late = (): Problem =>
    last instanceof Problem
      ? last
      : unreachable(target.name, {
          what: `new connection failed within ${Math.round(deadlineMs / 1000)} s`,
          fix: 'check on the host that sshd runs (systemctl status ssh) and that its firewall permits this machine',
        })
  const trying = async (): Promise<Answer> => {
    let refusals = 0
    for (let pause: number = PAUSES_MS[0]; ; pause = Math.min(2 * pause, PAUSES_MS[1])) {
      try {
        return await attempt(target, script, end - Date.now(), expired.signal)
      } catch (error) {
        if (!(error instanceof Problem) || error.class !== 'unreachable') throw error
        last = error
        if (isRefusedLogin(error.cause)) refusals += 1
        if (refusals === REFUSALS) throw error
        await sleep(pause, undefined, { signal: expired.signal })
      }
    }
  }
  try {
    return await within(deadlineMs, trying(), late)
  } finally {
    expired.abort()
  }
}

const attempt = async (target: Target, script: string, deadlineMs: number, signal: AbortSignal): Promise<Answer> => {
  const shell = await openShell(target, { signal, retries: false, fresh: true })
  try {
    return await shell.request(script, { deadlineMs })
  } finally {
    await shell.close()
  }
}
