/** The known word that was probably meant, or undefined. */
export const closest = (word: string, known: readonly string[]): string | undefined => {
  const [best] = known
    .map((candidate) => ({ candidate, far: candidate.startsWith(word) && word.length > 2 ? 1 : distance(word, candidate) }))
    .toSorted((a, b) => a.far - b.far)
  return best !== undefined && best.far <= Math.max(1, Math.floor(word.length / 3)) ? best.candidate : undefined
}

/** `did you mean …?`, or all that there is. */
export const suggestion = (word: string, known: readonly string[], sort: string): string => {
  const meant = closest(word, known)
  return meant === undefined ? `${sort}: ${known.join(', ')}` : `did you mean ${meant}?`
}

/** How many letters must be typed, dropped, replaced or swapped to make one word of the other. */
const distance = (a: string, b: string): number => {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  const at = (i: number, j: number): number => rows[i]?.[j] ?? Number.POSITIVE_INFINITY
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i]
    rows.push(row)
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1)
      const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? at(i - 2, j - 2) + 1 : Number.POSITIVE_INFINITY
      row.push(Math.min(at(i - 1, j) + 1, (row[j - 1] ?? 0) + 1, replaced, swapped))
    }
  }
  return at(a.length, b.length)
}
