export const isWildcard = (name: string): boolean => name.startsWith('*.')

/** A host name for which a site answers: the first full name, or one that the first wildcard covers. */
export const someName = (names: readonly string[]): string =>
  names.find((name) => !isWildcard(name) && !name.includes(':')) ?? names[0]?.replace('*', 'any') ?? 'localhost'
