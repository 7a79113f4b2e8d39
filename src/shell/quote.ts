/**
 * Quotes one word for a POSIX shell; it may contain any bytes. Plain words stay as they are, so that scripts can be read.
 * dash knows no `$'…'`: a single quote is closed, escaped and opened again. A NUL byte cannot be written in a shell and throws.
 */
export const quote = (word: string): string => (/^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : quoteAlways(word))

/** Like `quote`, with quotes around plain words too: a reserved word, or digits before a redirection. */
export const quoteAlways = (word: string): string => {
  if (word.includes('\0')) throw new TypeError('a NUL byte cannot be part of a shell word')
  return `'${word.replaceAll("'", `'\\''`)}'`
}

/** Words joined to one command line. */
export const commandLine = (...words: readonly string[]): string => words.map(quote).join(' ')
