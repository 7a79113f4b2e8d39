const KNOWN: ReadonlyMap<string, string> = new Map([
  ['letsencrypt', 'https://acme-v02.api.letsencrypt.org/directory'],
  ['letsencrypt-staging', 'https://acme-staging-v02.api.letsencrypt.org/directory'],
])

/** The URL of an ACME directory given by name or by URL; undefined if it is neither. */
export const directoryUrl = (directory: string): string | undefined =>
  KNOWN.get(directory) ?? (URL.canParse(directory) && new URL(directory).protocol === 'https:' ? new URL(directory).href : undefined)

/** The name of a directory: `letsencrypt` for its URL, otherwise the URL itself. */
export const directoryName = (url: string): string => [...KNOWN].find(([, known]) => known === url)?.[0] ?? url
