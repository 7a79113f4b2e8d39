import { isWorldReadable } from '../file/spec.ts'
import { wrongType } from '../file/wrong-type.ts'
import { ABSENT, planUnreached, typeName } from '../kind/inode.ts'
import { type Change, type FileEdit, keyOf, type PlanContext, type Resource } from '../kind/kind.ts'
import { HostRefusal } from '../kind/step.ts'
import { isFault } from './edit.ts'
import { editPart, type Part, type PartSpec } from './edits.ts'
import { forgotten, journalBytes, journalPath, type NotedEdit, noted, readJournal } from './journal.ts'
import type { PartState } from './observe.ts'
import { bytesOfText, EMPTY, isSameBytes, isSameText, readTextFile, type TextFile } from './text.ts'
import { changeTexts } from './texts.ts'

/** The change of a part, and why the run refuses it. */
interface Finding {
  readonly change: Change | undefined
  readonly refusal?: HostRefusal | undefined
}

const NOTHING: Finding = { change: undefined }

/**
 * Plans a part with the earlier changes of the file. Pure: `plan` returns its change, and `forbids` its refusal. Where another account
 * controls the file, only the change itself is refused: an account must not keep the run from changing the host.
 */
export const findingOf = (part: Part, state: PartState, context: PlanContext): Finding => {
  const found = examined(part, state, context)
  return state.account === undefined ? found : { change: found.change }
}

const examined = (part: Part, state: PartState, context: PlanContext): Finding => {
  const { spec } = part
  const unreached = planUnreached(state.file)
  if (unreached !== undefined) return { change: unreached }
  const earlier = context.edited?.(spec.path)
  if (earlier === undefined) {
    const obstacle = obstacleOf(part, state, context)
    if (obstacle !== undefined) return obstacle
  }
  const bytes = earlier === undefined ? state.bytes : earlier.after
  if (bytes === undefined) return missingFile(part, state, context)
  const file = readTextFile(bytes)
  if (file === undefined)
    return refused(spec, 'it has NUL bytes', 'declare the whole file, or correct the path', `${spec.path} is not a text file`)
  return editedFile(part, { file, bytes, state }, context)
}

/** Something at the path that is no file, or a file that was not read. */
const obstacleOf = ({ spec }: Part, { file, unread }: PartState, context: PlanContext): Finding | undefined => {
  if (file === ABSENT) return undefined
  if (file.type !== 'f') {
    const refusal = wrongType(spec.path, file, { what: `a part of a file (${spec.part})`, types: 'f', state: 'present' }, context)
    return { change: change('update', `${spec.path} is ${typeName(file.type)}`), refusal }
  }
  if (unread === undefined) return undefined
  return refused(spec, `it ${unread}`, 'declare the whole file, or correct the path', `${spec.path} was not read`)
}

const change = (action: Change['action'], reason: string, more: Partial<Change> = {}): Change => ({
  ...{ action, certainty: 'exact', reason, differences: [] },
  ...more,
})

const refused = (spec: PartSpec, why: string, fix: string, what = `${spec.path} cannot be edited`): Finding => ({
  change: change('update', what),
  refusal: new HostRefusal(what, why, fix),
})

/** Whether an earlier change of this run may create or change the file: a package, a script. */
const mayChange = ({ packagesPending, anyPackagesPending, opaquePending }: PlanContext): boolean =>
  packagesPending || anyPackagesPending === true || opaquePending === true

const missingFile = (part: Part, state: PartState, context: PlanContext): Finding => {
  const { spec } = part
  if (mayChange(context)) {
    if (spec.state === 'absent' && !context.packagesPending) return NOTHING
    if (isPackaged(spec, context))
      return refused(
        spec,
        'a package of this run brings it, and packages bring files that every account can read',
        `declare \`permissions: { path: ${spec.path}, mode: 640 }\` before it, after the package`,
        `${spec.path} would show a secret`,
      )
    const reason = spec.state === 'absent' ? 'a package may contain it' : `${spec.path} does not exist yet`
    return {
      change: change(spec.state === 'absent' ? 'delete' : 'create', reason, {
        certainty: 'dependent',
        differences: changeTexts(part, undefined).differences,
      }),
    }
  }
  if (spec.state === 'absent') return NOTHING
  if (spec.create) return editedFile(part, { file: EMPTY, bytes: undefined, state }, context)
  return refused(
    spec,
    `a part of it is declared (${spec.part}), and no earlier change of this run creates it`,
    'correct the path, declare the package that has the file first, or set create: true',
    `${spec.path} does not exist`,
  )
}

/** Whether only a package can bring a file that is to have a secret, and nothing declared changes its mode before. */
const isPackaged = (spec: PartSpec, context: PlanContext): boolean =>
  spec.secret && spec.state === 'present' && !spec.create && context.opaquePending !== true && !setsMode(spec, context)

/** Whether an earlier change of this run sets the mode of the file. The mode is read again before a secret is written. */
const setsMode = ({ path }: PartSpec, { changes }: PlanContext): boolean => changes(`permissions:${path}`)

interface Before {
  readonly file: TextFile
  readonly bytes: Uint8Array | undefined
  readonly state: PartState
}

const editedFile = (part: Part, { file, bytes, state }: Before, context: PlanContext): Finding => {
  const { spec, key } = part
  const edited = editPart(spec, file)
  if (isFault(edited)) {
    if (mayChange(context)) return { change: change('update', edited.what, { certainty: 'dependent' }) }
    return refused(spec, `${edited.what}; ${edited.why}`, edited.fix)
  }
  const after = bytesOfText(edited.file)
  if (isSameBytes(after, bytes)) return NOTHING
  // An earlier part of this run may have created the file.
  const mode = context.edited?.(spec.path)?.mode ?? (state.file === ABSENT ? spec.mode : state.file.mode)
  const texts = changeTexts(part, { before: file, edited, mode })
  const log = logOf(part, { before: file, pieces: edited.pieces }, { state, context })
  const isExposed = exposed(spec, mode)
  const made = change(texts.action, texts.reason, {
    ...(isExposed !== undefined && setsMode(spec, context) && { certainty: 'dependent' as const }),
    differences: texts.differences,
    edits: [...log, { path: spec.path, before: bytes, after, mode }],
  })
  return {
    change: made,
    refusal:
      unstable(part, edited.file) ??
      (setsMode(spec, context) ? undefined : isExposed) ??
      conflict(key, edited.file, context.parts?.(spec.path) ?? []),
  }
}

/** The journal as an edit, if it changes. */
const logOf = (
  part: Part,
  edited: NotedEdit,
  { state, context }: { readonly state: PartState; readonly context: PlanContext },
): readonly FileEdit[] => {
  const path = journalPath(part.spec.path)
  const earlier = context.edited?.(path)
  const before = earlier === undefined ? state.journal : earlier.after
  const after = journalAfter(part, edited, before)
  return isSameBytes(before, after) ? [] : [{ path, before, after }]
}

/** Returns the bytes of the journal after an edit; undefined if nothing is in it. */
export const journalAfter = ({ key, spec }: Part, edited: NotedEdit, before: Uint8Array | undefined): Uint8Array | undefined => {
  const journal = readJournal(before)
  return journalBytes(spec.path, spec.state === 'absent' ? forgotten(journal, key) : noted(journal, key, edited))
}

/** The refusal of an edit that the next run would repeat. */
const unstable = ({ spec }: Part, file: TextFile): HostRefusal | undefined => {
  const again = editPart(spec, file)
  if (!isFault(again) && isSameText(again.file, file)) return undefined
  return new HostRefusal(
    `every run would change ${spec.path} again`,
    `after the change, the same ${spec.part} finds something to change`,
    'anchor the regular expression so that it finds only the declared text, or set occurrences: all',
  )
}

/** The refusal of a secret in a file that every account can read. */
export const exposed = (spec: PartSpec, mode: string): HostRefusal | undefined => {
  if (!spec.secret || spec.state === 'absent' || !isWorldReadable(mode)) return undefined
  const fix = `declare \`permissions: { path: ${spec.path}, mode: 640 }\` before it, if its readers permit; if the run creates it, set mode: 640 or 600`
  return new HostRefusal(`${spec.path} would show a secret`, `every account can read it (mode ${mode})`, fix)
}

/** The refusal of an edit that undoes an earlier part of the same file. */
const conflict = (key: string, file: TextFile, earlier: readonly Resource[]): HostRefusal | undefined => {
  for (const other of earlier) {
    const spec = other.spec as PartSpec
    const again = editPart(spec, file)
    if (!isFault(again) && isSameText(again.file, file)) continue
    return new HostRefusal(
      `${key.replace(':', ' ')} and ${keyOf(other).replace(':', ' ')} contradict each other`,
      `both edit ${spec.path}, and each undoes the change of the other`,
      'declare one of them, or correct their regular expressions',
    )
  }
  return undefined
}
