import { Problem } from '../../problem.ts'
import type { Target } from '../target/connection.ts'
import { unreachable } from '../target/problems.ts'
import type { EndOverdue } from './persistent-shell.ts'
import { DEFINE_FAMILY } from './process-family.ts'
import { runOnce } from './run-once.ts'

/** How long it may take to come in anew and to end what is overdue. */
const END_MS = 60_000

/** How many of the processes are named. */
const MOST = 5

/** Ends it, and says what became of it; nothing, where it had ended by itself. Never throws a `Problem`. */
export const endOverdue =
  (target: Target): EndOverdue =>
  async (word, afterMs) => {
    try {
      const { stdout } = await runOnce(target, endScript(word, afterMs), { deadlineMs: END_MS })
      return verdict(target.name, stdout.toString(), spanOf(afterMs))
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      return unreachable(target.name, {
        what: `a step has given no answer for ${spanOf(afterMs)}, and could not be ended over a new connection`,
        why: [error.what, error.why ?? []].flat().join('\n'),
        fix: 'it may still run and hold the lock: once the host lets one in, run again, which names what holds the lock, and end that there (kill PID)',
        cause: error,
      })
    }
  }

/** What the script said: `ended PID COMMAND` or `left PID COMMAND`, a line each. */
export const verdict = (host: string, said: string, span: string): Problem | undefined => {
  // A host may say anything: a card holds a few of them, and not more of each than our script says.
  const told = (fate: string): readonly string[] => {
    const all = [...said.matchAll(/^(ended|left) (\d{1,10}) (.{1,200})/gm)].filter(([, what]) => what === fate)
    return all.slice(0, MOST).map(([, , pid, command]) => `\`${command}\` (pid ${pid})`)
  }
  const [ended, left] = [told('ended'), told('left')]
  if (left.length > 0)
    return unreachable(host, {
      what: `${left.join(', ')} cannot be ended, after ${span}`,
      why: 'not even SIGKILL ends it: it waits in the kernel, mostly for a disk or a network file system',
      fix: 'mend what it waits for, or boot the host; until then it holds the lock',
    })
  if (ended.length === 0) return undefined
  return new Problem({
    class: 'task',
    where: { host },
    what: `${ended.join(', ')} had run for ${span} and ${ended.length === 1 ? 'was' : 'were'} ended`,
    fix: 'see on the host why it hangs, then run again; a command that may rightly take longer says so (`withinMinutes`)',
  })
}

/** `45 s`, `30 min`. */
export const spanOf = (ms: number): string => (ms < 120_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`)

/**
 * Ends the processes below a shell, and never the shell itself, which then answers. What began after half of the time is another
 * request, and stays. Says of those that others did not wait for what they were.
 */
const endScript = (word: string, afterMs: number): string => `
shell=; for d in /run/provision.[0-9]*.${word.slice(0, 8)}; do s=\${d#/run/provision.}; s=\${s%%.*}; grep -qsa ${word} "/proc/$s/cmdline" && shell=$s; done
[ "$shell" ] || exit 0
known=${word}${DEFINE_FAMILY}
about self; latest=$((since - ${Math.round(afterMs / 20)}))
family=; look; was=$(name ended)
if end_family; then printf '%s\\n' "$was"; else name left; fi`
