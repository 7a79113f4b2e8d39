import { randomBytes } from 'node:crypto'

/** A random word of 32 hexadecimal digits. */
export const randomWord = (): string => randomBytes(16).toString('hex')

// dash reads lines a byte at a time (a 20 KB script costs 15 ms): longer scripts are sent as bytes, which costs one `head`.
const LONGEST_AS_LINES = 2048

/**
 * A request as the loop reads it: `MARK LINES SCRIPTBYTES INPUTBYTES SECONDS`, the script, the input, the mark again. The seconds are its
 * deadline, to which the host keeps when the controller is gone.
 */
export const requestFrame = (mark: string, script: string, input: Uint8Array = Buffer.alloc(0), seconds?: number): Buffer => {
  if (script.includes('\0')) throw new TypeError('a NUL byte cannot be part of a script')
  const text = script.endsWith('\n') ? script : `${script}\n`
  const bytes = Buffer.from(text)
  const asLines = bytes.length <= LONGEST_AS_LINES
  const lengths = asLines ? `${text.split('\n').length - 1} 0` : `0 ${bytes.length}`
  const header = `${mark} ${lengths} ${input.length}${seconds === undefined ? '' : ` ${seconds}`}\n`
  return Buffer.concat([Buffer.from(header), bytes, input, Buffer.from(`${mark}\n`)])
}

/** No exit status is longer than this. */
const LONGEST_CODE = 16
const MOST_STDERR = 4_000_000

interface Expected {
  readonly mark: string
  onStdout(chunk: Buffer): void
  onEnd(code: number, stderr: string): void
}

/**
 * Cuts the stream of answers (`MARK+` stdout `MARK CODE\n` stderr `MARK-`) into pieces for those who expect them, in order.
 * Bytes between answers belong to nobody (a background job that speaks late) and are dropped.
 */
export class AnswerReader {
  readonly #expected: Expected[] = []
  #part: 'before' | 'stdout' | 'code' | 'stderr' = 'before'
  #buffer: Buffer = Buffer.alloc(0)
  #code = 0
  #stderr: Buffer[] = []
  #complained = 0

  expect(answer: Expected): void {
    this.#expected.push(answer)
  }

  push(chunk: Buffer): void {
    this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk])
    for (let current = this.#expected[0]; current !== undefined; current = this.#expected[0]) {
      if (!this.#advance(current)) return
    }
    this.#buffer = Buffer.alloc(0)
  }

  // Whether a part of the answer was completed. What cannot be the beginning of the awaited mark is handed on at once.
  #advance(current: Expected): boolean {
    if (this.#part === 'before') {
      if (this.#upTo(`${current.mark}+`, () => {}) === false) return false
      this.#part = 'stdout'
    } else if (this.#part === 'stdout') {
      if (this.#upTo(`${current.mark} `, (piece) => current.onStdout(piece)) === false) return false
      this.#part = 'code'
    } else if (this.#part === 'code') {
      const end = this.#buffer.subarray(0, LONGEST_CODE + 1).indexOf('\n')
      if (end === -1 && this.#buffer.length <= LONGEST_CODE) return false
      // What is no number is no success either.
      this.#code = Number(end === -1 ? Number.NaN : this.#buffer.toString('latin1', 0, end))
      this.#buffer = this.#buffer.subarray(end + 1)
      this.#part = 'stderr'
    } else {
      if (this.#upTo(`${current.mark}-`, (piece) => this.#complain(piece)) === false) return false
      const stderr = Buffer.concat(this.#stderr).toString()
      this.#stderr = []
      this.#complained = 0
      this.#part = 'before'
      this.#expected.shift()
      current.onEnd(this.#code, stderr)
    }
    return true
  }

  // The end of what it complains of says most; a host that never stops must not fill our memory.
  #complain(piece: Buffer): void {
    this.#stderr.push(piece)
    this.#complained += piece.length
    while (this.#stderr.length > 1 && this.#complained > MOST_STDERR) this.#complained -= this.#stderr.shift()?.length ?? 0
  }

  #upTo(mark: string, take: (piece: Buffer) => void): boolean {
    const at = this.#buffer.indexOf(mark, 0, 'latin1')
    const sure = at === -1 ? this.#buffer.length - beginningOf(mark, this.#buffer) : at
    if (sure > 0) take(this.#buffer.subarray(0, sure))
    this.#buffer = this.#buffer.subarray(at === -1 ? sure : at + mark.length)
    return at !== -1
  }
}

// How many bytes at the end of the buffer may be the beginning of the mark.
const beginningOf = (mark: string, buffer: Buffer): number => {
  for (let length = Math.min(mark.length - 1, buffer.length); length > 0; length -= 1)
    if (buffer.toString('latin1', buffer.length - length) === mark.slice(0, length)) return length
  return 0
}
