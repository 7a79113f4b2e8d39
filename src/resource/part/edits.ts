import { type BlockSpec, editBlock, shownBlock } from './block-spec.ts'
import type { EditResult } from './edit.ts'
import { editLine, type LineSpec, shownLine } from './line-spec.ts'
import { editSetting, type SettingSpec, shownSetting } from './setting-spec.ts'
import type { TextFile } from './text.ts'

/** The spec of a resource that is a part of a file. `part` is the name of its kind. */
export type PartSpec = LineSpec | BlockSpec | SettingSpec

/** A part of a file: the key of its resource, and its spec. */
export interface Part {
  readonly key: string
  readonly spec: PartSpec
}

/** Edits a file as a resource declares it. */
export const editPart = (spec: PartSpec, file: TextFile): EditResult => {
  if (spec.part === 'line') return editLine(spec, file)
  return spec.part === 'block' ? editBlock(spec, file) : editSetting(spec, file)
}

/** Returns the text of a part for a plan, with secrets masked. */
export const shownPart = (spec: PartSpec): string | undefined => {
  if (spec.part === 'line') return shownLine(spec)
  return spec.part === 'block' ? shownBlock(spec) : shownSetting(spec)
}
