import { ABSENT, reasonUnreached, refuseUnreached } from '../kind/inode.ts'
import type { Undo, Undoing, UndoneWork } from '../kind/orphan-policy.ts'
import type { Steps } from '../kind/step.ts'
import { forgotten, journalBytes, journalPath, readJournal, undone } from './journal.ts'
import { observeParts, type PartState } from './observe.ts'
import { bytesOfText, readTextFile, type TextFile } from './text.ts'
import { beforeOf, type Texts, writeEdited } from './write.ts'

/**
 * What happens to a part that no role declares any more: lines that it inserted are deleted, and lines that it replaced come back, unless
 * somebody changed them since.
 */
export const undoPart = (kind: string): Undo<PartState> => ({
  observe: (orphans) => observeParts(orphans),

  plan: ({ id, path }, state, context): Undoing => {
    const unreached = reasonUnreached(state.file)
    if (unreached !== undefined) return unreached
    if (state.file === ABSENT) return undefined
    const [edited, logged] = [context.edited?.(path), context.edited?.(journalPath(path))]
    const log = logged === undefined ? state.journal : logged.after
    const bytes = edited === undefined ? state.bytes : edited.after
    const key = `${kind}:${id}`
    const written = readJournal(log).get(key)
    if (written === undefined) return 'provision changed nothing in the file for it'
    const text = bytes === undefined ? undefined : readTextFile(bytes)
    if (text === undefined) return `${path} ${state.unread ?? 'is not a text file'}`
    const after = undone(readJournal(log), key, text)
    if (after.left === written.length) return 'somebody else changed it'
    return [
      { path: journalPath(path), before: log, after: logWithout(path, key, log) },
      { path, before: bytes, after: bytesOfText(after.file) },
    ]
  },

  *apply(work): Steps {
    for (const { id, state } of work) refuseUnreached(id, state.file)
    yield* writeEdited(
      [...Map.groupBy(work, ({ path }) => path)].flatMap(([path, ones]) => {
        const [first] = ones
        if (first === undefined) return []
        const before = beforeOf(path, first.state, { changes: ones.map(({ change }) => change) })
        return [{ ...before, edits: ones.map((one) => ({ id: one.id, edit: undoOf(kind, one) })) }]
      }),
    )
  },
})

const logWithout = (path: string, key: string, log: Uint8Array | undefined): Uint8Array | undefined =>
  journalBytes(path, forgotten(readJournal(log), key))

const undoOf =
  (kind: string, { id, path }: UndoneWork<PartState>) =>
  ({ text, log }: Texts): Texts => {
    const key = `${kind}:${id}`
    const file: TextFile = undone(readJournal(log), key, text).file
    return { text: file, log: logWithout(path, key, log) }
  }
