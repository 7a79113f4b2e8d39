import { firstNames } from '../../first-names.ts'
import { ABSENT, type Inode, refuseUnreached } from '../kind/inode.ts'
import type { Work } from '../kind/kind.ts'
import { type Answer, HostRefusal, requireSuccess, type Step, type Steps } from '../kind/step.ts'
import { isFault } from './edit.ts'
import { editPart, type PartSpec } from './edits.ts'
import { journalPath } from './journal.ts'
import { type NoFile, type PartState, type ReadFile, readFiles, readScript } from './observe.ts'
import { exposed, journalAfter } from './plan.ts'
import { isSameText } from './text.ts'
import { beforeOf, type EditedFile, journalOf, ownedBy, type PartEdit, writeEdited } from './write.ts'

type PartWork = Work<PartSpec, PartState>
type Read = ReadonlyMap<string, ReadFile | NoFile>

/**
 * Applies the parts of a batch: each file is written once, with all its parts. A file that a package or a script of this run may have
 * changed is read again first.
 */
export function* applyParts(work: readonly PartWork[]): Steps {
  for (const { id, state } of work) refuseUnreached(id, state.file)
  const files = [...Map.groupBy(work, ({ spec }) => spec.path)]
  const stale = files.flatMap(([path, parts]) => (parts.some(isStale) ? [path] : []))
  const read = stale.length === 0 ? undefined : yield* readAgain(stale)
  yield* writeEdited(files.map(([path, parts]) => editedFile(path, parts, stale.includes(path) ? read : undefined)))
}

const isStale = ({ afterScripts, change }: PartWork): boolean => afterScripts === true || change.certainty === 'dependent'

function* readAgain(paths: readonly string[]): Generator<Step, Read, Answer> {
  const script = readScript(paths.flatMap((path) => [path, journalPath(path)]))
  const answer = yield { do: 'shell', script, doing: `reading ${firstNames(paths)}` }
  const { stdout } = requireSuccess(answer, 'files were not read')
  try {
    return readFiles(stdout)
  } catch (error) {
    throw new HostRefusal('files were not read', error instanceof Error ? error.message : String(error))
  }
}

const editedFile = (path: string, parts: readonly PartWork[], read: Read | undefined): EditedFile => {
  const [first] = parts
  if (first === undefined) throw new Error(`${path} has no parts`)
  const { spec, state } = first
  const { mode, owner, group } = parts.find((one) => one.spec.create)?.spec ?? spec
  const created: Inode = { type: 'f', mode, owner, group, target: '' }
  const before = read === undefined ? beforeOf(path, state, { created, changes: parts.map(({ change }) => change) }) : currentOf(path, read)
  const checks = new Map(parts.flatMap(({ spec: { check } }) => (check === undefined ? [] : [[check.join('\0'), check] as const])))
  return { ...before, created, edits: parts.map(editOf), set: spec.set, checks: checks.size === 0 ? undefined : [...checks.values()] }
}

const currentOf = (path: string, read: Read): Pick<EditedFile, 'path' | 'file' | 'journal' | 'unread' | 'account'> => {
  const [now, log] = [read.get(path), read.get(journalPath(path))]
  if (now === undefined || log === undefined) throw new HostRefusal(`${path} was not read`, 'the host did not report it')
  const journal = journalOf('bytes' in log ? log.bytes : undefined)
  const { account } = now
  if (!('owner' in now)) return { path, file: { inode: ABSENT, bytes: undefined }, journal, account }
  const { mode, owner, group, bytes, unread } = now
  return { path, file: { inode: { type: 'f', mode, owner, group, target: '' }, bytes }, journal, unread, account }
}

const editOf = ({ id, spec }: PartWork): PartEdit => ({
  id,
  edit: ({ text, log }, { inode, account }) => {
    const refuse = (what: string, why: string, fix?: string): HostRefusal =>
      new HostRefusal(what, `${why}${ownedBy(account)}`, fix, { culprit: id, account })
    if (inode === ABSENT && spec.state === 'present' && !spec.create)
      throw refuse(`${spec.path} does not exist`, 'nothing in this run has created it', 'correct the path, or set create: true')
    const shown = exposed(spec, inode === ABSENT ? spec.mode : inode.mode)
    if (shown !== undefined) throw refuse(shown.what, shown.why, shown.fix)
    const edited = editPart(spec, text)
    if (isFault(edited)) throw refuse(`${spec.path} was not edited`, `${edited.what}; ${edited.why}`, edited.fix)
    if (isSameText(edited.file, text)) return { text, log }
    const part = { key: `${spec.part}:${id}`, spec }
    return { text: edited.file, log: journalAfter(part, { before: text, pieces: edited.pieces }, log) }
  },
})
