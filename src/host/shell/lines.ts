/** Number of characters of a line that are kept until its end arrives. */
export const MAX_LINE = 64 * 1024

/**
 * Splits a text that arrives in pieces into lines. A line over `MAX_LINE` is passed on in parts; all but the last have `isPartial` set. No
 * part ends inside a character.
 */
export class Lines {
  readonly #emit: (line: string, isPartial: boolean) => void
  #begun = ''

  constructor(emit: (line: string, isPartial: boolean) => void) {
    this.#emit = emit
  }

  push(text: string): void {
    // Searches only the new text. Otherwise a host that never ends its line would cause a search of the whole line with every piece.
    const [first = '', ...more] = text.split('\n')
    this.#extend(first)
    for (const next of more) {
      this.#emit(this.#begun, false)
      this.#begun = ''
      this.#extend(next)
    }
  }

  /** Emits the last line if it has no line end. */
  end(): void {
    if (this.#begun !== '') this.#emit(this.#begun, false)
  }

  #extend(text: string): void {
    this.#begun += text
    while (this.#begun.length > MAX_LINE) {
      const end = isHighSurrogate(this.#begun.charCodeAt(MAX_LINE - 1)) ? MAX_LINE - 1 : MAX_LINE
      this.#emit(this.#begun.slice(0, end), true)
      this.#begun = this.#begun.slice(end)
    }
  }
}

/** Whether this is the first half of a surrogate pair. */
const isHighSurrogate = (code: number): boolean => code >= 0xd800 && code < 0xdc00
