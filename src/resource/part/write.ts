import { applyFiles } from '../file/apply.ts'
import { namedByResource } from '../file/file-kind.ts'
import type { FileSpec, FileState } from '../file/spec.ts'
import { sha256Hex } from '../kind/content.ts'
import { ABSENT, type Inode, typeName } from '../kind/inode.ts'
import type { Change, FileEdit, Work } from '../kind/kind.ts'
import { HostRefusal, type RefusedBatch, type Steps } from '../kind/step.ts'
import { journalPath } from './journal.ts'
import type { PartState } from './observe.ts'
import { bytesOfText, EMPTY, isSameBytes, readTextFile, type TextFile } from './text.ts'

type FileWork = Work<FileSpec, FileState>

/** A file or a journal at one moment. */
export interface Current {
  readonly inode: Inode | typeof ABSENT
  readonly bytes: Uint8Array | undefined
}

/** The text of a file, and the bytes of its journal. */
export interface Texts {
  readonly text: TextFile
  readonly log: Uint8Array | undefined
}

/** One edit of a file: the identity of its resource, and its function. It throws a `HostRefusal`. */
export interface PartEdit {
  readonly id: string
  edit(texts: Texts, file: { readonly inode: Current['inode']; readonly account: string | undefined }): Texts
}

/** A file with its journal, and the edits to make, in their order. */
export interface EditedFile {
  readonly path: string
  readonly file: Current
  readonly journal: Current
  readonly edits: readonly PartEdit[]
  /** The inode of the file, if it is created. */
  readonly created?: Inode
  readonly set?: FileSpec['set']
  readonly checks?: FileSpec['checks']
  /** Why the file was not read. */
  readonly unread?: string | undefined
  /** `PartState.account`: the file fails alone. */
  readonly account?: string | undefined
}

const JOURNAL_INODE: Inode = { type: 'f', mode: '600', owner: 'root', group: 'root', target: '' }

/** The journal as an inode, if it exists. */
export const journalOf = (bytes: Uint8Array | undefined): Current => ({ inode: bytes === undefined ? ABSENT : JOURNAL_INODE, bytes })

/** Returns a file as the earlier changes of this run have left it, by the edits that the plan made of it. */
const plannedBytes = (path: string, changes: readonly Change[], observed: Uint8Array | undefined): Uint8Array | undefined => {
  const edit: FileEdit | undefined = changes.flatMap(({ edits = [] }) => edits).find((one) => one.path === path)
  return edit === undefined ? observed : edit.before
}

/** Writes each file once, with all of its edits, and before it the journal. Throws a `HostRefusal` that names the resources. */
export function* writeEdited(files: readonly EditedFile[]): Steps {
  const made = files.map((one) => ({ ...workOf(one), edits: one.edits }))
  const resources = made.flatMap(({ journals, files: written, edits }) =>
    edits.map(({ id }) => ({ id, paths: [...journals, ...written].map((one) => one.id) })),
  )
  // The journals come first: a line that is in the file is in its journal.
  yield* namedByResource(resources, applyFiles([...made.flatMap(({ journals }) => journals), ...made.flatMap((one) => one.files)]))
}

/** The file and its journal after all edits, if they change. */
const workOf = (one: EditedFile): { readonly journals: readonly FileWork[]; readonly files: readonly FileWork[] } => {
  const { path, file, journal, edits, created = JOURNAL_INODE, set, checks, account } = one
  const fault = faultOf(one)
  const batch = { culprit: edits[0]?.id, account }
  if (fault !== undefined) throw unreadable(path, fault, batch)
  const text = file.bytes === undefined ? EMPTY : readTextFile(file.bytes)
  if (text === undefined) throw unreadable(path, 'it is not a text file: it has NUL bytes', batch)
  let texts: Texts = { text, log: journal.bytes }
  const inode = file.inode === ABSENT ? created : file.inode
  for (const { edit } of edits) texts = edit(texts, { inode: texts.text === text ? file.inode : inode, account })
  const bytes = bytesOfText(texts.text)
  // A candidate is checked and written in one request, with the journal. A set has files below its root only.
  const inBatch = checks === undefined || set !== undefined ? {} : { checks: [] }
  return {
    journals: isSameBytes(texts.log, journal.bytes) ? [] : [fileWork(journalPath(path), journal, journalOf(texts.log), inBatch)],
    files: isSameBytes(bytes, file.bytes) ? [] : [fileWork(path, file, { inode, bytes }, { set, checks })],
  }
}

const faultOf = ({ file: { inode, bytes }, unread }: EditedFile): string | undefined => {
  if (inode === ABSENT) return undefined
  if (inode.type !== 'f') return `it is ${typeName(inode.type)}`
  return bytes === undefined ? `it ${unread ?? 'was not read'}` : undefined
}

/** The end of a reason that names the account other than root that controls the file. */
export const ownedBy = (account: string | undefined): string => (account === undefined ? '' : ` (owner: ${account})`)

const unreadable = (path: string, why: string, batch: RefusedBatch): HostRefusal =>
  new HostRefusal(`${path} was not edited`, `${why}${ownedBy(batch.account)}`, 'declare the whole file, or correct the path', batch)

/** A file as work of the kind `file`, which writes it. Nothing but the observed content is replaced. */
const fileWork = (path: string, before: Current, after: Current, more: Pick<FileSpec, 'set' | 'checks'> = {}): FileWork => {
  const { mode, owner, group } = after.inode === ABSENT ? JOURNAL_INODE : after.inode
  const bytes = after.bytes ?? Buffer.alloc(0)
  const sha256 = before.bytes === undefined ? undefined : sha256Hex(before.bytes)
  return {
    id: path,
    spec: {
      ...{ path, mode, owner, group, isDerived: true },
      state: after.bytes === undefined ? 'absent' : 'present',
      content: { type: 'local', path, sha256: sha256Hex(bytes), size: bytes.length, open: () => bytes },
      ...more,
    },
    state: before.inode === ABSENT ? ABSENT : { ...before.inode, ...(sha256 !== undefined && { sha256 }) },
    change: WRITTEN,
  }
}

const WRITTEN: Change = { action: 'update', certainty: 'exact', reason: '', differences: [] }

/** Returns a file and its journal as the plan has them before these changes. */
export const beforeOf = (
  path: string,
  state: PartState,
  { changes, created }: { readonly changes: readonly Change[]; readonly created?: Inode },
): Pick<EditedFile, 'path' | 'file' | 'journal' | 'unread' | 'account'> => {
  const bytes = plannedBytes(path, changes, state.bytes)
  // An earlier change of this run creates it.
  const inode = state.file === ABSENT && bytes !== undefined && created !== undefined ? created : state.file
  const { unread, account } = state
  return { path, file: { inode, bytes }, journal: journalOf(plannedBytes(journalPath(path), changes, state.journal)), unread, account }
}
