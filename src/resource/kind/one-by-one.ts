import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { FIX_UNSAFE, refuseUnsafe } from './inode.ts'
import type { Work } from './kind.ts'
import { type Answer, HostRefusal, outputExcerpt, requireSuccess, type Steps } from './step.ts'
import { CHANGED, PARTLY, UNSAFE } from './walk.ts'

/** Returns the script for one resource. It runs with `set -e`. */
type ScriptOf<Spec, State> = (work: Work<Spec, State>) => Script

/** Returns the identities that the host reported as changed (`done`, NUL, identity, NUL). */
export const doneOf = (work: readonly { readonly id: string }[], answer: Answer): readonly string[] => named('done', work, answer)

/** Returns the identities that follow a word in the output. */
const named = (word: string, work: readonly { readonly id: string }[], { stdout }: Answer): readonly string[] => {
  const fields = stdout.toString().split('\0')
  return work.map(({ id }) => id).filter((id) => fields.some((field, i) => field.endsWith(word) && fields[i + 1] === id))
}

/** The account other than root that controls the path of the resource that failed (`account`, NUL, name, NUL). */
const accountOf = ({ stdout }: Answer): string | undefined => {
  const fields = stdout.toString().split('\0')
  const at = fields.findLastIndex((field) => field.endsWith('account'))
  return at < 0 ? undefined : fields[at + 1]
}

interface BatchWords {
  readonly what: (id: string | undefined) => string
  readonly fix?: string
  /** Identities of resources that an earlier request changed. */
  readonly before?: readonly string[]
  /** The script restores what it changed if it fails. */
  readonly restored?: boolean
  /** The resources only make sense together: none is changed without the one that failed. */
  readonly together?: boolean
}

/**
 * Throws a `HostRefusal` if a program that changes a batch failed. It has printed `done` and the identity of each changed resource, and
 * `culprit` and the identity of the one that failed. `what` describes that resource, or the batch.
 */
export const requireBatch = (
  answer: Answer,
  work: readonly { readonly id: string }[],
  { what, fix, before = [], restored = false, together = false }: BatchWords,
): void => {
  if (answer.code === 0) return
  const done = [...before, ...(restored ? [] : doneOf(work, answer))]
  const [culprit = work.length === 1 ? work[0]?.id : undefined] = named('culprit', work, answer)
  const refused = what(culprit)
  const batch = { done, culprit, account: together ? undefined : accountOf(answer) }
  if (answer.code === CHANGED) throw new HostRefusal(refused, outputExcerpt(answer.stderr), FIX_CHANGED, batch)
  const why = outputExcerpt(answer.stderr)
  if (answer.code === UNSAFE) throw new HostRefusal(refused, why, FIX_UNSAFE, batch)
  throw new HostRefusal(answer.code === PARTLY ? refused : `${refused} (exit ${answer.code})`, why, fix, batch)
}

/** Returns the answer, or throws a `HostRefusal`: for an unsafe path, a change after the observation, or another failure. */
export const requireAsObserved = (answer: Answer, what: string, fix?: string): Answer => {
  refuseUnsafe(answer, what)
  if (answer.code === CHANGED) throw new HostRefusal(what, outputExcerpt(answer.stderr), FIX_CHANGED)
  return requireSuccess(answer, what, fix)
}

/** The \`fix\` for a resource that somebody changed after the observation. */
export const FIX_CHANGED = 'run again: the next plan starts from the present state'

/**
 * Runs one script per resource, in their order, in one request. It ends at the first that fails, with a `HostRefusal` for this resource;
 * the resources before it count as changed.
 */
export const inTurn = function* <Spec, State>(
  work: readonly Work<Spec, State>[],
  scriptOf: ScriptOf<Spec, State>,
  words: {
    readonly doing: string
    readonly failed: (id: string) => string
    readonly fix?: string | ((code: number) => string | undefined)
    /** Runs before all others, and compares their states. It prints `culprit`, NUL, identity, NUL if it fails. */
    readonly before?: Script
  },
): Steps {
  if (work.length === 0) return
  // A subshell on the left of && or || would ignore `set -e`, so a separate line reads its status.
  const scripts = work.map(
    (one) => sh`(set -e
${scriptOf(one)}
) </dev/null
c=$?; [ "$c" = 0 ] || exit "$c"; printf 'done\\0%s\\0' ${one.id}`,
  )
  const script = words.before === undefined ? sh`${scripts}` : sh`${words.before}\n${scripts}`
  const answer = yield { do: 'shell', script, doing: words.doing }
  if (answer.code === 0) return
  const done = doneOf(work, answer)
  const [culprit = work.find(({ id }) => !done.includes(id))?.id] = named('culprit', work, answer)
  const what = words.failed(culprit ?? '')
  const why = outputExcerpt(answer.stderr)
  const batch = { done, culprit, account: accountOf(answer) }
  if (answer.code === UNSAFE) throw new HostRefusal(what, why, FIX_UNSAFE, batch)
  if (answer.code === CHANGED) throw new HostRefusal(what, why, FIX_CHANGED, batch)
  const fix = typeof words.fix === 'function' ? words.fix(answer.code) : words.fix
  throw new HostRefusal(`${what} (exit ${answer.code})`, why, fix, batch)
}
