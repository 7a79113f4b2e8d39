/** Of the known words the one that was probably meant, or undefined when none is near. */
export const nearest = (word: string, known: Iterable<string>): string | undefined => {
  const limit = Math.max(1, Math.floor(word.length / 3))
  const ranked = [...known]
    .map((candidate) => ({ candidate, distance: distanceBetween(plain(word), plain(candidate)) }))
    .filter(({ distance }) => distance <= limit)
    .sort((a, b) => a.distance - b.distance)
  return ranked[0]?.candidate
}

/** The remedy for an unknown word: the one that was meant, else the ones there are. */
export const suggestion = (word: string, known: Iterable<string>, otherwise: string): string => {
  const all = [...new Set(known)]
  const near = nearest(word, all)
  if (near !== undefined) return `did you mean \`${near}\`?`
  return all.length === 0 ? otherwise : `${otherwise}; there ${all.length === 1 ? 'is' : 'are'} ${list(all)}`
}

/** Words in a row, at most a dozen of them. */
export const list = (words: readonly string[]): string =>
  words.length > 12 ? `${words.slice(0, 12).join(', ')} and ${words.length - 12} more` : words.join(', ')

// `Web_01`, `web01` and `web-01` are one word.
const plain = (word: string): string => word.toLowerCase().replaceAll(/[_-]/g, '')

/** Insertions, deletions, replacements and swapped neighbours (optimal string alignment). */
const distanceBetween = (a: string, b: string): number => {
  let before: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = at(last, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1)
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? at(before, j - 2) + 1 : Number.POSITIVE_INFINITY
      row.push(Math.min(replaced, swapped, at(last, j) + 1, at(row, j - 1) + 1))
    }
    before = last
    last = row
  }
  return at(last, b.length)
}

const at = (row: readonly number[], i: number): number => row[i] ?? Number.POSITIVE_INFINITY
