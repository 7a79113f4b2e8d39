import { randomBytes } from 'node:crypto'

/** A random word of 32 hexadecimal digits. */
export const randomWord = (): string => randomBytes(16).toString('hex')

// dash reads lines byte by byte (15 ms for a 20 KB script). A longer script is sent as bytes, which costs one `head`.
const MAX_BYTES_AS_LINES = 2048

/**
 * A request in the format of the loop: `MARK LINES SCRIPTBYTES INPUTBYTES SECONDS`, the script, the input, and the mark again. The seconds
 * are its deadline, which the host enforces if the controller is gone.
 */
export const requestFrame = (mark: string, script: string, input: Uint8Array = Buffer.from(''), seconds?: number): Buffer => {
  if (script.includes('\0')) throw new TypeError('a NUL byte cannot be part of a script')
  const text = script.endsWith('\n') ? script : `${script}\n`
  const bytes = Buffer.from(text)
  const asLines = bytes.length <= MAX_BYTES_AS_LINES
  const lengths = asLines ? `${text.split('\n').length - 1} 0` : `0 ${bytes.length}`
  const header = `${mark} ${lengths} ${input.length}${seconds === undefined ? '' : ` ${seconds}`}\n`
  return Buffer.concat([Buffer.from(header), bytes, input, Buffer.from(`${mark}\n`)])
}

/** Maximum length of an exit status. */
const MAX_CODE_LENGTH = 16
const MAX_STDERR = 4_000_000

interface Expected {
  readonly mark: string
  onStdout(chunk: Buffer): void
  onEnd(code: number, stderr: string): void
}

/**
 * Splits the stream of answers (`MARK+` stdout `MARK CODE\n` stderr `MARK-`) and passes each to its request, in order. Drops bytes between
 * answers, for example of a background job.
 */
export class AnswerReader {
  readonly #expected: Expected[] = []
  #part: 'before' | 'stdout' | 'code' | 'stderr' = 'before'
  #buffer: Buffer = Buffer.from('')
  #code = Number.NaN
  #stderr: Buffer[] = []
  #stderrLength = 0

  expect(answer: Expected): void {
    this.#expected.push(answer)
  }

  push(chunk: Buffer): void {
    if (this.#expected.length === 0) return
    this.#buffer = Buffer.concat([this.#buffer, chunk])
    let [current] = this.#expected
    while (current !== undefined && this.#advance(current)) [current] = this.#expected
  }

  // Returns whether a part of the answer is complete. Bytes that cannot be the beginning of the mark are passed on at once.
  #advance(current: Expected): boolean {
    if (this.#part === 'before') {
      if (this.#upTo(`${current.mark}+`, () => {}) === false) return false
      this.#part = 'stdout'
    } else if (this.#part === 'stdout') {
      if (this.#upTo(`${current.mark} `, (piece) => current.onStdout(piece)) === false) return false
      this.#part = 'code'
    } else if (this.#part === 'code') {
      const end = this.#buffer.subarray(0, MAX_CODE_LENGTH + 1).indexOf('\n')
      if (end === -1 && this.#buffer.length <= MAX_CODE_LENGTH) return false
      // A status that is not a number becomes NaN, which is no success.
      this.#code = end === -1 ? Number.NaN : Number(this.#buffer.toString('latin1', 0, end))
      this.#buffer = this.#buffer.subarray(end + 1)
      this.#part = 'stderr'
    } else {
      if (this.#upTo(`${current.mark}-`, (piece) => this.#keepStderr(piece)) === false) return false
      const stderr = Buffer.concat(this.#stderr).toString()
      this.#stderr = []
      this.#stderrLength = 0
      this.#part = 'before'
      this.#expected.shift()
      current.onEnd(this.#code, stderr)
    }
    return true
  }

  // Keeps the end of stderr, which is the most informative part, and limits the memory that a host can use.
  #keepStderr(piece: Buffer): void {
    this.#stderr.push(piece)
    this.#stderrLength += piece.length
    while (this.#stderrLength > MAX_STDERR) this.#stderrLength -= this.#stderr.shift()?.length ?? 0
  }

  #upTo(mark: string, take: (piece: Buffer) => void): boolean {
    const at = this.#buffer.indexOf(mark, 0, 'latin1')
    const certain = at === -1 ? this.#buffer.length - beginningOf(mark, this.#buffer) : at
    take(this.#buffer.subarray(0, certain))
    this.#buffer = this.#buffer.subarray(at === -1 ? certain : at + mark.length)
    return at !== -1
  }
}

// The number of bytes at the end of the buffer that can be the beginning of the mark.
const beginningOf = (mark: string, buffer: Buffer): number => {
  let length = Math.min(mark.length - 1, buffer.length)
  while (buffer.toString('latin1', buffer.length - length) !== mark.slice(0, length)) length -= 1
  return length
}
