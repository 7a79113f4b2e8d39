/** A command line up to the cursor. */
interface WordsAt {
  /** Complete words after the name of the program. */
  readonly before: readonly string[]
  /** The word at the cursor, without what stands before the name in it. */
  readonly current: string
  /** What stands before the name: `--limit=`, or `web:!` of a pattern. */
  readonly prefix: string
}

/** Splits a command line at its cursor, the end. An option in `--limit=web` is a complete word, and `web` the word at the cursor. */
export const wordsAt = (line: string): WordsAt => {
  const [, ...words] = line.trimStart().split(/\s+/)
  const last = words.at(-1) ?? ''
  const [, option = '', given = last] = /^(--[a-z-]+)=(.*)$/.exec(last) ?? []
  const [, pattern = '', current = given] = given.startsWith('-') ? [] : (/^(.*[:,][!&]?|[!&])(.*)$/.exec(given) ?? [])
  const before = words.slice(0, -1)
  return option === '' ? { before, current, prefix: pattern } : { before: [...before, option], current, prefix: `${option}=${pattern}` }
}
