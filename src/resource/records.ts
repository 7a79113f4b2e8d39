/** Cuts NUL-terminated fields into records of a fixed width; a torn last record throws, because a host that answers half has not answered. */
export const records = (bytes: Buffer, width: number): readonly (readonly string[])[] => {
  const fields = bytes.toString().split('\0')
  if (fields.pop() !== '' || fields.length % width !== 0) throw new Error('the host answered half a record')
  return Array.from({ length: fields.length / width }, (_, i) => fields.slice(i * width, (i + 1) * width))
}
