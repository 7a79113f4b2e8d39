import type { TextFile } from './text.ts'

/** Lines that an edit put into a file, as texts, and those that they replaced. `former` is undefined if they were inserted. */
export interface Piece {
  readonly wrote: readonly string[]
  readonly former?: readonly string[]
}

/** A file after an edit, and the lines that it wrote. The same file if it is as declared. */
export interface Edited {
  readonly file: TextFile
  readonly pieces: readonly Piece[]
}

/** Why an edit is impossible with the text that the host has. */
export interface EditFault {
  readonly what: string
  readonly why: string
  readonly fix: string
}

export type EditResult = Edited | EditFault

export const isFault = (result: EditResult): result is EditFault => 'what' in result

export const unchanged = (file: TextFile): Edited => ({ file, pieces: [] })
