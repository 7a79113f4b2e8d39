/** How much of what came before the word is kept, for messages. */
export const KEPT_BANNER = 64 * 1024

/** Reads past all that comes before a word: what a login shell prints before it does as it is told. */
export class Banner {
  readonly #word: string
  #kept: Buffer = Buffer.alloc(0)
  #isOver = false

  constructor(word: string) {
    this.#word = word
  }

  /** Whether the word has come. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** The last of what came before it. */
  get said(): string {
    return this.#kept.toString()
  }

  /** What of this piece comes behind the word. */
  push(chunk: Buffer): Buffer {
    if (this.#isOver) return chunk
    // The word may have begun at the end of the piece before; nothing else is searched twice.
    const fresh = Buffer.concat([this.#kept.subarray(Math.max(0, this.#kept.length - this.#word.length + 1)), chunk])
    const at = fresh.indexOf(this.#word)
    if (at === -1) {
      const all = Buffer.concat([this.#kept, chunk])
      this.#kept = all.subarray(Math.max(0, all.length - KEPT_BANNER))
      return Buffer.alloc(0)
    }
    this.#isOver = true
    return fresh.subarray(at + this.#word.length)
  }
}
