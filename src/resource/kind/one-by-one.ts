import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { refuseUnsafe } from './inode.ts'
import type { Work } from './kind.ts'
import { type Answer, HostRefusal, outputExcerpt, type Steps } from './step.ts'

/** Returns the script for one resource. It runs with `set -e`. */
type ScriptOf<Spec, Seen> = (work: Work<Spec, Seen>) => Script

/** Returns the identities that the host reported as changed (`done`, NUL, identity, NUL). */
export const doneOf = (work: readonly { readonly id: string }[], { stdout }: Answer): readonly string[] => {
  const said = stdout.toString().split('\0')
  return work.map(({ id }) => id).filter((id) => said.some((field, i) => field.endsWith('done') && said[i + 1] === id))
}

/**
 * Runs one script per resource, in their order, in one request. It ends at the first that fails, with a `HostRefusal` for this resource;
 * the resources before it count as changed.
 */
export const inTurn = function* <Spec, Seen>(
  work: readonly Work<Spec, Seen>[],
  scriptOf: ScriptOf<Spec, Seen>,
  words: { readonly doing: string; readonly failed: (id: string) => string; readonly fix?: string },
): Steps {
  if (work.length === 0) return
  // A subshell on the left of && or || would ignore `set -e`, so its status is taken in a line of its own.
  const scripts = work.map(
    (one) => sh`(set -e
${scriptOf(one)}
) </dev/null
c=$?; [ "$c" = 0 ] || exit "$c"; printf 'done\\0%s\\0' ${one.id}`,
  )
  const answer = yield { do: 'shell', script: sh`${scripts}`, doing: words.doing }
  if (answer.code === 0) return
  const done = doneOf(work, answer)
  const failed = work.find(({ id }) => !done.includes(id))
  const what = words.failed(failed?.id ?? '')
  refuseUnsafe(answer, what, done)
  throw new HostRefusal(`${what} (exit ${answer.code})`, outputExcerpt(answer.stderr), words.fix, { done })
}
