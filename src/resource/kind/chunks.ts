/** Splits a list into lists of at most `size` elements. */
export const chunks = <T>(list: readonly T[], size: number): readonly (readonly T[])[] =>
  Array.from({ length: Math.ceil(list.length / size) }, (_, i) => list.slice(i * size, (i + 1) * size))

/**
 * Limit of the arguments of one command, in bytes with their ends and pointers. The kernel accepts at least 128 KiB with the environment,
 * and a quarter of the stack limit otherwise (execve(2)).
 */
const ARGUMENT_BYTES = 98_304

/** Splits words into lists that each fit into one command line, of at most `size` words. */
export const argumentLists = (words: readonly string[], size: number): readonly (readonly string[])[] => {
  const lists: string[][] = []
  let bytes = 0
  for (const word of words) {
    const cost = Buffer.byteLength(word) + 9
    const last = lists.at(-1)
    if (last === undefined || last.length === size || bytes + cost > ARGUMENT_BYTES) {
      lists.push([word])
      bytes = cost
    } else {
      last.push(word)
      bytes += cost
    }
  }
  return lists
}

/** Splits NUL-terminated fields into records of `width` fields. Throws for an incomplete record: the answer was cut. */
export const records = (bytes: Buffer, width: number): readonly (readonly string[])[] => {
  const fields = bytes.toString().split('\0')
  if (fields.pop() !== '' || fields.length % width !== 0) throw new Error('the host answered with an incomplete record')
  return chunks(fields, width)
}
