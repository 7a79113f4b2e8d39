import { isWorldReadable } from '../file/spec.ts'
import type { Change, Difference, DiffTexts } from '../kind/kind.ts'
import type { Edited } from './edit.ts'
import { type Part, type PartSpec, shownPart } from './edits.ts'
import { asUtf8, type TextFile } from './text.ts'

interface Editing {
  readonly before: TextFile
  readonly edited: Edited
  readonly mode: string
}

/** Action, reason and differences of a change. A plan shows the text of the host only if every account can read the file. */
export const changeTexts = (
  { spec }: Pick<Part, 'spec'>,
  editing: Editing | undefined,
): Pick<Change, 'action' | 'reason' | 'differences'> => {
  if (spec.state === 'absent') return { action: 'delete', reason: 'declared absent', differences: [] }
  const [piece] = editing?.edited.pieces ?? []
  const isNew = piece?.former === undefined
  return {
    action: isNew ? 'create' : 'update',
    reason: isNew ? 'missing' : `${spec.part} differs`,
    differences: [difference(spec, { editing, former: piece?.former })],
  }
}

const difference = (
  spec: PartSpec,
  { editing, former }: { readonly editing: Editing | undefined; readonly former: readonly string[] | undefined },
): Difference => {
  const isOpen = editing !== undefined && !spec.secret && isWorldReadable(editing.mode)
  const to = shownPart(spec)
  return {
    key: spec.part,
    ...(former !== undefined && isOpen && { from: shortened(asUtf8(editing.before, former.join('\n'))) }),
    ...(to !== undefined && { to: shortened(to) }),
  }
}

const MAX_SHOWN = 200
const shortened = (text: string): string => (text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN)}…`)

/** Returns both texts of a change for a diff, or undefined if not every account can read the file. */
export const diffTexts = (spec: PartSpec, { edits = [] }: Change): DiffTexts | undefined => {
  const edit = edits.find(({ path }) => path === spec.path)
  if (edit?.mode === undefined || spec.secret || !isWorldReadable(edit.mode)) return undefined
  return { name: spec.path, before: shown(edit.before), after: shown(edit.after) }
}

/** A text for a diff. Long lines are cut, because a diff has whole lines beside the changed ones. */
const shown = (bytes: Uint8Array | undefined): string =>
  Buffer.from(bytes ?? [])
    .toString()
    .split('\n')
    .map((line) => (line.length <= MAX_LINE ? line : `${line.slice(0, MAX_LINE)}… (${line.length} characters)`))
    .join('\n')

const MAX_LINE = 500
