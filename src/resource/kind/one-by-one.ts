import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { refuseUnsafe } from './inode.ts'
import type { Work } from './kind.ts'
import { type Answer, HostRefusal, outputExcerpt, type Steps } from './step.ts'

/** Returns the script for one resource. It runs with `set -e`. */
type ScriptOf<Spec, State> = (work: Work<Spec, State>) => Script

/** Returns the identities that the host reported as changed (`done`, NUL, identity, NUL). */
export const doneOf = (work: readonly { readonly id: string }[], { stdout }: Answer): readonly string[] => {
  const fields = stdout.toString().split('\0')
  return work.map(({ id }) => id).filter((id) => fields.some((field, i) => field.endsWith('done') && fields[i + 1] === id))
}

/**
 * Runs one script per resource, in their order, in one request. It ends at the first that fails, with a `HostRefusal` for this resource;
 * the resources before it count as changed.
 */
export const inTurn = function* <Spec, State>(
  work: readonly Work<Spec, State>[],
  scriptOf: ScriptOf<Spec, State>,
  words: { readonly doing: string; readonly failed: (id: string) => string; readonly fix?: string },
): Steps {
  if (work.length === 0) return
  // A subshell on the left of && or || would ignore `set -e`, so a separate line reads its status.
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
