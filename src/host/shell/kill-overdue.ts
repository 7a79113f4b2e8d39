import { Problem } from '../../problem.ts'
import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import type { Target } from '../target/connection.ts'
import { unreachable } from '../target/problems.ts'
import type { KillOverdue } from './persistent-shell.ts'
import { DEFINE_FAMILY } from './process-family.ts'
import { runOnce } from './run-once.ts'

/** Time limit to reconnect and to kill the overdue processes. */
const KILL_MS = 60_000

/** Maximum number of processes that a message names. */
const MAX_NAMED = 5

/** Kills overdue processes and returns the problem; undefined if they had ended by themselves. Never throws a `Problem`. */
export const killOverdue =
  (target: Target): KillOverdue =>
  async (word, afterMs) => {
    try {
      const { stdout } = await runOnce(target, String(killScript(word, afterMs)), { deadlineMs: KILL_MS })
      return problemOf(target.name, stdout.toString(), spanOf(afterMs))
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      return unreachable(target.name, {
        what: `step did not answer within ${spanOf(afterMs)}, and its processes could not be killed over a new connection`,
        why: [error.what, error.why ?? []].flat().join('\n'),
        fix: 'run again when the host is reachable; if the step still holds the lock, the message names its processes: end them on the host (kill PID)',
        cause: error,
      })
    }
  }

/** The problem by the script's output, which is `ended PID COMMAND` or `left PID COMMAND` per line. Undefined if there is no such line. */
export const problemOf = (host: string, output: string, span: string): Problem | undefined => {
  // The output of a host is not trusted: number and length of the named commands are bounded.
  const named = (outcome: string): readonly string[] => {
    const all = [...output.matchAll(/^(ended|left) (\d{1,10}) (.{1,200})/gm)].filter(([, what]) => what === outcome)
    return all.slice(0, MAX_NAMED).map(([, , pid, command]) => `\`${command}\` (pid ${pid})`)
  }
  const [ended, left] = [named('ended'), named('left')]
  if (left.length > 0)
    return unreachable(host, {
      what: `${left.join(', ')} cannot be killed after ${span}`,
      why: 'SIGKILL has no effect while a process waits in the kernel, usually for a disk or a network file system',
      fix: 'repair the disk or file system, or reboot the host; until then the lock stays taken',
    })
  if (ended.length === 0) return undefined
  return new Problem({
    class: 'task',
    where: { host },
    what: `${ended.join(', ')} ran for ${span} and ${ended.length === 1 ? 'was' : 'were'} killed`,
    why: 'it exceeded its time limit',
    fix: 'find out on the host why it hangs, then run again; if the command needs more time, set withinMinutes',
  })
}

/** `45 s`, `30 min`. */
export const spanOf = (ms: number): string => (ms < 120_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`)

/**
 * Kills the processes below a shell, but not the shell itself, which then answers. Processes that started after half of the time belong to
 * another request and are kept. Prints the commands of the killed processes that were no parents of others.
 */
const killScript = (word: string, afterMs: number): Script => sh`
shell=
for directory in /run/provision.[0-9]*.${word.slice(0, 8)}; do
  pid=\${directory#/run/provision.}; pid=\${pid%%.*}; grep -qsa ${word} "/proc/$pid/cmdline" && shell=$pid
done
[ "$shell" ] || exit
known=${word}${DEFINE_FAMILY}
about self; latest=$((since - ${Math.round(afterMs / 20)}))
family=; look; was=$(name ended)
if end_family; then printf '%s\\n' "$was"; else name left; fi`
