const MAX_LENGTH = 60

/**
 * Cuts a name from a file for a message. Ends at the first character that names do not have, or after 60 characters: a file that is
 * not what its reader expects must not be printed line by line as unknown names.
 */
export const shownName = (name: string): string => shownText(/^[\p{L}\p{M}\p{N}_.*/-]*/u.exec(name)?.[0] ?? '', name)

/** Cuts a text from a file for a message, after 60 characters. */
export const shownText = (text: string, whole = text): string => {
  const shown = text.slice(0, MAX_LENGTH)
  return shown === whole ? whole : `${shown}…`
}
