/** Reads NUL-terminated fields and blocks of bytes (length, NUL, bytes) one after the other. Every read throws at the end of the answer. */
export const fieldsOf = (answer: Buffer) => {
  let at = 0
  const take = (length: number): Buffer => {
    if (length < 0 || at + length > answer.length) throw new Error('the host answered with an incomplete record')
    const bytes = answer.subarray(at, at + length)
    at += length
    return bytes
  }
  const field = (): string => {
    const text = take(answer.indexOf(0, at) - at).toString()
    at += 1
    return text
  }
  return {
    field,
    /** A block as a string of bytes, one character each. */
    block: (): string => {
      const length = field()
      if (!/^\d{1,9}$/.test(length)) throw new Error('the host answered with an incomplete record')
      return take(Number(length)).toString('latin1')
    },
    isAtEnd: (): boolean => at === answer.length,
  }
}

/** Returns words for the standard input of a program: each as its length in bytes, a colon, its bytes and a comma (a netstring). */
export const asBlocks = (words: readonly string[]): Uint8Array =>
  Buffer.concat(words.flatMap((word) => [Buffer.from(`${word.length}:`), Buffer.from(`${word},`, 'latin1')]))
