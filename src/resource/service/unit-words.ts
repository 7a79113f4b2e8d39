import { z } from 'zod'

/** A value of a unit. A backslash at the end of a line continues it on the next one. */
export const unitLine = z.string().regex(/^[^\p{Cc}]*[^\p{Cc}\\]$/u, 'must be one line, without a backslash at its end')

/** Text of a command line of systemd, in which a percent sign begins a specifier and a dollar sign a variable. */
export const commandText = (text: string): string => text.replaceAll('%', '%%').replaceAll('$', '$$$$')

/** A word in double quotes. systemd.syntax(7) reads escapes in it, and a percent sign begins a specifier. */
export const quotedWord = (word: string): string => `"${word.replaceAll(/[\\"]/g, '\\$&').replaceAll('%', '%%')}"`

/** A word of a command line, in quotes unless it needs none. */
export const commandWord = (word: string): string =>
  /^[A-Za-z0-9_./:=@,+-]+$/.test(word) ? word : quotedWord(word).replaceAll('$', '$$$$')
