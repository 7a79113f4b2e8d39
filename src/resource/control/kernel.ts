/** Returns the newest installed kernel of the running kind that is newer than the running one. Undefined if the running one is not among them. */
export const newerKernel = (running: string, installed: readonly string[]): string | undefined => {
  if (!installed.includes(running)) return undefined
  const newer = installed.filter((kernel) => flavourOf(kernel) === flavourOf(running) && compare(kernel, running) > 0)
  return newer.toSorted(compare).at(-1)
}

/** `cloud-ARCHITECTURE` of `6.1.0-28-cloud-ARCHITECTURE`. */
const flavourOf = (kernel: string): string => /-([a-z][a-z0-9-]*)$/.exec(kernel.replace(/[~-]rc\d+/, ''))?.[1] ?? ''

/** Compares the numbers of two releases. A candidate (`~rc1`) is older than its release. */
const compare = (one: string, other: string): number => {
  const [a, b] = [numbersOf(one), numbersOf(other)]
  const at = Array.from({ length: Math.max(a.length, b.length) }, (_, i) => i).find((i) => (a[i] ?? 0) !== (b[i] ?? 0))
  return at === undefined ? 0 : (a[at] ?? 0) - (b[at] ?? 0)
}

const numbersOf = (kernel: string): readonly number[] =>
  [
    ...kernel
      .slice(0, kernel.length - flavourOf(kernel).length)
      .replaceAll(/[~-]rc/g, '.-')
      .matchAll(/(?<=\.)-\d+|\d+/g),
  ].map(([number]) => Number(number))
