/** Splits a list into lists of at most `size` elements. */
export const chunks = <T>(list: readonly T[], size: number): readonly (readonly T[])[] =>
  Array.from({ length: Math.ceil(list.length / size) }, (_, i) => list.slice(i * size, (i + 1) * size))

/** Splits NUL-terminated fields into records of `width` fields. Throws for an incomplete record: the answer was cut. */
export const records = (bytes: Buffer, width: number): readonly (readonly string[])[] => {
  const fields = bytes.toString().split('\0')
  if (fields.pop() !== '' || fields.length % width !== 0) throw new Error('the host answered with an incomplete record')
  return chunks(fields, width)
}
