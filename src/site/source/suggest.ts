import { firstNames } from '../../first-names.ts'
/** Returns the known word that is most similar, or undefined if none is similar enough. */
export const nearest = (word: string, known: Iterable<string>): string | undefined => {
  const limit = Math.max(1, Math.floor(word.length / 3))
  const ranked = [...known]
    .map((candidate) => ({ candidate, distance: distanceBetween(plain(word), plain(candidate)) }))
    .filter(({ distance }) => distance <= limit)
    .sort((a, b) => a.distance - b.distance)
  return ranked[0]?.candidate
}

/** Returns the fix for an unknown word: the most similar known word, or the list of known words. */
export const suggestion = (word: string, known: Iterable<string>, fallback: string): string => {
  const all = [...new Set(known)]
  const near = nearest(word, all)
  if (near !== undefined) return `did you mean \`${near}\`?`
  return all.length === 0 ? fallback : `${fallback} (available: ${list(all)})`
}

/** Joins words with commas, at most twelve of them. */
export const list = (words: readonly string[]): string => firstNames(words, 12)

// `Web_01`, `web01` and `web-01` are the same word here.
const plain = (word: string): string => word.toLowerCase().replaceAll(/[_-]/g, '')

/** Edit distance with transpositions (optimal string alignment). */
const distanceBetween = (a: string, b: string): number => {
  let previous: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = at(last, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1)
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? at(previous, j - 2) + 1 : Number.POSITIVE_INFINITY
      row.push(Math.min(replaced, swapped, at(last, j) + 1, at(row, j - 1) + 1))
    }
    previous = last
    last = row
  }
  return at(last, b.length)
}

const at = (row: readonly number[], i: number): number => row[i] ?? Number.POSITIVE_INFINITY
