/** Returns the first names for a message, and the number of others: `a, b, c and 2 more`. */
export const firstNames = (names: readonly string[], most = 3): string =>
  `${names.slice(0, most).join(', ')}${names.length > most ? ` and ${names.length - most} more` : ''}`
