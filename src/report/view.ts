/** How and for whom something is written: with colours or not, how wide, how much of it. */
export interface View {
  readonly paint: Paint
  /** Columns that a line may take; `Infinity` where nobody counts them. */
  readonly columns: number
  /** All of it: long diffs whole. */
  readonly verbose: boolean
}

const codes = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34, cyan: 36 } as const

export type Paint = Readonly<Record<keyof typeof codes, (text: string) => string>>

/** The colours, or none of them. */
export const painter = (colours: boolean): Paint => {
  const paint = Object.entries(codes).map(([name, code]) => [
    name,
    // Bold and dim share their end (22), as the colours do (39).
    (text: string) => (colours && text !== '' ? `\x1b[${code}m${text}\x1b[${code < 10 ? 22 : 39}m` : text),
  ])
  return Object.fromEntries(paint)
}
