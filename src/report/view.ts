/** Colours, width and level of detail of the output. */
export interface View {
  readonly paint: Paint
  /** Columns of the terminal; `Infinity` if the output is not a terminal. */
  readonly columns: number
  /** Whether long diffs are shown completely. */
  readonly verbose: boolean
}

const codes = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34, cyan: 36 } as const

export type Paint = Readonly<Record<keyof typeof codes, (text: string) => string>>

/** Returns functions that colour text, or leave it unchanged. */
export const painter = (colours: boolean): Paint => {
  const paint = Object.entries(codes).map(([name, code]) => [
    name,
    // 22 ends bold and dim, 39 ends a colour.
    (text: string) => (colours && text !== '' ? `\x1b[${code}m${text}\x1b[${code < 10 ? 22 : 39}m` : text),
  ])
  return Object.fromEntries(paint)
}
