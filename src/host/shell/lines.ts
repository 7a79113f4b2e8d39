/** How much of a line is held back until its end comes. */
export const LONGEST_LINE = 64 * 1024

/**
 * Cuts a text that comes in pieces into lines. A line that is longer than what is held back comes in parts, of which all but the last
 * say that it goes on. No part ends within a character.
 */
export class Lines {
  readonly #tell: (line: string, goesOn: boolean) => void
  #begun = ''

  constructor(tell: (line: string, goesOn: boolean) => void) {
    this.#tell = tell
  }

  push(text: string): void {
    // Only what is new is searched: a host that never ends its line would else have all of it read again with every piece.
    const [first = '', ...more] = text.split('\n')
    this.#goOn(first)
    for (const next of more) {
      this.#tell(this.#begun, false)
      this.#begun = ''
      this.#goOn(next)
    }
  }

  /** The last line, where nothing ended it. */
  end(): void {
    if (this.#begun !== '') this.#tell(this.#begun, false)
    this.#begun = ''
  }

  #goOn(text: string): void {
    this.#begun += text
    while (this.#begun.length > LONGEST_LINE) {
      const end = isHalf(this.#begun.charCodeAt(LONGEST_LINE - 1)) ? LONGEST_LINE - 1 : LONGEST_LINE
      this.#tell(this.#begun.slice(0, end), true)
      this.#begun = this.#begun.slice(end)
    }
  }
}

/** The first half of a character that takes two. */
const isHalf = (code: number): boolean => code >= 0xd800 && code < 0xdc00
