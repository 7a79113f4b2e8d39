/** Splits hosts into batches of these sizes. The last size repeats; without sizes, all hosts are one batch. */
export const batches = <T>(hosts: readonly T[], serial: readonly number[]): readonly (readonly T[])[] => {
  const parts: (readonly T[])[] = []
  for (let begin = 0; begin < hosts.length; ) {
    const size = serial[Math.min(parts.length, serial.length - 1)] ?? hosts.length
    parts.push(hosts.slice(begin, begin + size))
    begin += size
  }
  return parts
}
