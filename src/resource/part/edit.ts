import { splice, type TextFile } from './text.ts'

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

/** Inserts lines at a position. */
export const inserted = (file: TextFile, at: number, wrote: readonly string[]): Edited => ({
  file: splice(file, at, 0, wrote),
  pieces: [{ wrote }],
})

/** Replaces the texts of lines, by position. Lines that have their text already stay out of the pieces. */
export const replaced = (file: TextFile, texts: ReadonlyMap<number, string>): Edited => {
  const pieces: Piece[] = []
  const lines = file.lines.map((line, i) => {
    const text = texts.get(i)
    if (text === undefined || text === line.text) return line
    pieces.push({ wrote: [text], former: [line.text] })
    return { ...line, text }
  })
  return pieces.length === 0 ? unchanged(file) : { file: { ...file, lines }, pieces }
}

/** Deletes lines, by position. */
export const deleted = (file: TextFile, positions: readonly number[]): Edited => {
  const doomed = new Set(positions)
  return doomed.size === 0 ? unchanged(file) : { file: { ...file, lines: file.lines.filter((_, i) => !doomed.has(i)) }, pieces: [] }
}
