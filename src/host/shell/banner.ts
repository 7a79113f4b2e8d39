/** Number of bytes of the banner that are kept for messages. */
const KEPT_BANNER = 64 * 1024

/** Skips the output of a login shell up to a word. */
export class Banner {
  readonly #word: string
  #kept: Buffer = Buffer.alloc(0)
  #isOver = false

  constructor(word: string) {
    this.#word = word
  }

  /** Whether the word was read. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** The end of the banner. */
  get text(): string {
    return this.#kept.toString()
  }

  /** Takes a piece of output and returns its part behind the word. */
  push(chunk: Buffer): Buffer {
    if (this.#isOver) return chunk
    // The word may begin at the end of the previous piece.
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
