import { setTimeout as sleep } from 'node:timers/promises'
import { Problem } from '../problem.ts'
import type { Target } from './connection.ts'
import { openShell } from './open.ts'
import { unreachable, within } from './problems.ts'
import type { Answer } from './shell.ts'

/**
 * Runs a script over a connection that is opened for it, with the same privileges and without the lock: proof that one
 * can still come in. Goes on trying until the deadline.
 */
export const runOnce = async (target: Target, script: string, { deadlineMs }: { readonly deadlineMs: number }): Promise<Answer> => {
  const end = Date.now() + deadlineMs
  const expired = new AbortController()
  let last: unknown
  const late = (): Problem =>
    last instanceof Problem
      ? last
      : unreachable(target.name, {
          what: `no new connection within ${Math.round(deadlineMs / 1000)} s`,
          fix: 'check the host’s firewall and sshd',
        })
  const trying = async (): Promise<Answer> => {
    for (;;) {
      try {
        return await attempt(target, script, end - Date.now(), expired.signal)
      } catch (error) {
        if (!(error instanceof Problem) || error.class !== 'unreachable') throw error
        last = error
        await sleep(250, undefined, { signal: expired.signal })
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
  const shell = await openShell(target, { signal })
  try {
    return await shell.request(script, { deadlineMs: Math.max(1, deadlineMs) })
  } finally {
    await shell.close()
  }
}
